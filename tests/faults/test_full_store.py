"""A media store without room: downloads wait where they are, and nothing else does."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.download_bench import IDS, Site, downloaded, downloading, ended, take
from tests.stream.shell_bench import Bench, Scripted, clip_message, on, until


async def test_downloads_pause_and_resume_while_other_stages_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vta_stream.stores.media_store._LOOK_AGAIN_S", 0.02)
    (tmp_path / "other").mkdir()
    others, site = Bench(tmp_path / "other"), Site(lambda _: None)
    async with (
        downloading(tmp_path, site, limit_bytes=10) as (shell, bench, store),
        others.shell(Scripted(on)) as scoring,
    ):
        await take(shell, *IDS)
        await until(lambda: downloaded(bench).total() == len(site.asked) > 0)  # that many had begun together
        begun = len(site.asked)
        assert begun < len(IDS)
        for offset in range(50):
            await scoring.take(clip_message(offset))
        await until(lambda: len(others.sender.sent) == 50)
        assert len(site.asked) == begun, "no download began while the store was full"
        while len(site.asked) < len(IDS):
            for video_id in downloaded(bench):
                store.remove_video(video_id)  # as the store stage does once a video is in the dataset
            await asyncio.sleep(0.02)
        await ended(bench, len(IDS))
    assert bench.sender.letters() == []
    assert downloaded(bench) == Counter(IDS)
