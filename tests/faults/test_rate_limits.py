"""A site that answers "too many requests", and a stream that is not over: no attempt is burnt and no ID lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.download_bench import IDS, RETRIES, Site, downloaded, downloading, ended, take
from vta_stream.ports import DeferError

PAUSE_S = 0.05
REFUSALS = 12


async def test_a_storm_of_429_burns_no_attempt_and_loses_no_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vta_stream.sources.egress.HOST_WAIT_MAX_S", 0.0
    )  # so that all of it is put off, not waited out
    refusals = REFUSALS

    def answer(_: str) -> None:
        nonlocal refusals
        if refusals > 0:
            refusals -= 1
            raise DeferError("rate_limited", "429", PAUSE_S, "host")

    site = Site(answer)
    async with downloading(tmp_path, site) as (shell, bench, _):
        await take(shell, *IDS)
        await ended(bench, len(IDS))
    assert refusals == 0
    assert downloaded(bench) == Counter(IDS)
    assert bench.sender.letters() == []
    put_off = [dict(record.headers) for record in bench.sender.sent if record.topic == RETRIES.topic]
    assert {headers["attempt"] for headers in put_off} == {b"1"}
    assert {headers["reason"] for headers in put_off} == {b"rate_limited", b"host_paused"}
    assert len(site.asked) == REFUSALS + len(IDS), "while the site wants a rest, nobody asks it"


async def test_a_stream_that_is_not_over_comes_back_in_time_and_holds_up_nobody(tmp_path: Path) -> None:
    first = Counter[str]()

    def answer(video_id: str) -> None:
        first[video_id] += 1
        if video_id == "live" and first[video_id] == 1:
            raise DeferError("live", "not over yet", 1.0)

    site = Site(answer)
    async with downloading(tmp_path, site) as (shell, bench, _):
        await take(shell, "live", *IDS)
        await ended(bench, len(IDS) + 1)
    begun_s, again_s = (moment_s for video_id, moment_s in site.asked if video_id == "live")
    assert again_s - begun_s >= 1.0
    assert site.asked[-1][0] == "live", "all others went by meanwhile"
    assert bench.sender.letters() == []
