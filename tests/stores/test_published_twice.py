"""Videos that are published twice: the second pass finds what the first one left, or that it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stores.lakes import Logs, dataset, dead, done, embedded, rejected, rows
from vta_stream.stores.dataset import LakeDataset


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LakeDataset]:
    opened = dataset(tmp_path)
    opened.open()
    yield opened
    opened.close()


def letters(folder: Path) -> list[tuple[Any, ...]]:
    return rows(folder, "SELECT stage, video_id, clip_id, reason FROM dead_letters ORDER BY ALL")


def test_who_finds_the_media_of_an_ended_video_gone_came_late_and_did_not_fail(
    lake: LakeDataset, tmp_path: Path
) -> None:
    logs = Logs()
    lost = rejected("vid", 1, 2).clip_id
    lake.commit(logs.deliver(embedded(tmp_path, "vid", 0, 2), done(tmp_path, "vid", 2)))
    lake.commit(logs.deliver(dead("embed", "vid", lost, 1, reason="no_frames")))
    lake.commit(logs.deliver(dead("segment", "broken", None, 2, reason="child_crashed")))
    before = letters(tmp_path)
    assert len(before) == 2
    late = [
        dead("segment", "vid", None, 3, reason="media_gone"),
        dead("score", "vid", lost, 4, reason="media_gone"),
        dead("segment", "broken", None, 5, reason="media_gone", kind="exhausted"),
    ]
    assert lake.commit(logs.deliver(*late)).failures == {}
    assert letters(tmp_path) == before
    assert rows(tmp_path, "SELECT video_id, status, reason FROM videos ORDER BY ALL") == [
        ("broken", "failed", "child_crashed"),
        ("vid", "done", None),
    ]


def test_media_that_are_gone_before_the_end_are_a_failure(lake: LakeDataset, tmp_path: Path) -> None:
    logs = Logs()
    clip = rejected("again", 0, 2).clip_id
    lake.commit(logs.deliver(dead("segment", "again", None, 1, reason="child_crashed")))
    lake.commit(logs.deliver(done(tmp_path, "open", 1), dead("segment", "lost", None, 2, reason="media_gone")))
    lake.commit(logs.deliver(dead("score", "again", clip, 3, reason="media_gone")))
    lake.commit(logs.deliver(dead("score", "open", rejected("open").clip_id, 4, reason="media_gone")))
    gone = {video for _, video, _, reason in letters(tmp_path) if reason == "media_gone"}
    assert gone == {"again", "lost", "open"}


def test_a_second_failure_with_a_reason_of_its_own_has_its_row(lake: LakeDataset, tmp_path: Path) -> None:
    logs = Logs()
    made = embedded(tmp_path, "vid")
    lake.commit(logs.deliver(made, done(tmp_path, "vid")))
    lake.commit(
        logs.deliver(
            dead("score", "vid", made.clip_id, 1, reason="media_gone"),
            dead("embed", "vid", made.clip_id, 2, reason="boom"),
        )
    )
    assert [letter[3] for letter in letters(tmp_path)] == ["boom"]
