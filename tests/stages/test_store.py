from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import delivery
from tests.stores.lakes import Logs, check_samples, dataset, dead, done, embedded, media_store, rejected, rows, settings
from vta_stream import metrics
from vta_stream.ports import StageError, TransientError
from vta_stream.settings.work import StoreSettings
from vta_stream.stages.store import StoreStage

Make = Callable[..., Any]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[StoreStage]:
    made = StoreStage(dataset(tmp_path), media_store(tmp_path), settings(tmp_path).store)
    await made.setup()
    yield made
    await made.close()
    await made.close()


def statuses(folder: Path) -> dict[str, tuple[str, str | None]]:
    return {
        video_id: (status, reason)
        for video_id, status, reason in rows(folder, "SELECT video_id, status, reason FROM videos")
    }


def test_the_shell_is_told_to_batch_and_to_keep_order() -> None:
    chosen = StoreSettings(commit_records_max=7, commit_wait_s=0.25)
    made = StoreStage(None, None, chosen)  # type: ignore[arg-type]
    assert (made.name, made.batch_max, made.batch_wait_s, made.concurrency, made.ordered) == ("store", 7, 0.25, 1, True)


async def test_a_done_video_loses_its_media_and_keeps_its_rows(stage: StoreStage, tmp_path: Path) -> None:
    logs = Logs()
    assert await stage.process(logs.deliver(embedded(tmp_path, "vid", 0, 2))) == [()]
    assert await stage.process(logs.deliver(done(tmp_path, "vid", 2))) == [()]
    assert statuses(tmp_path) == {"vid": ("processing", None)}
    assert media_store(tmp_path).videos() == ("vid",)
    assert await stage.process(logs.deliver(rejected("vid", 1, 2))) == [()]
    assert statuses(tmp_path) == {"vid": ("done", None)}
    assert media_store(tmp_path).videos() == ()
    assert check_samples(tmp_path) == 2


async def test_the_event_loop_goes_on_during_a_commit(stage: StoreStage, tmp_path: Path) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    heart = asyncio.create_task(beat())
    await stage.process(Logs().deliver(embedded(tmp_path, "vid")))
    heart.cancel()
    assert beats > 10


async def test_a_video_without_clips_is_done_with_its_reason(stage: StoreStage, tmp_path: Path) -> None:
    await stage.process(Logs().deliver(done(tmp_path, "vid", 0, reason="no_speech")))
    assert statuses(tmp_path) == {"vid": ("done", "no_speech")}
    assert media_store(tmp_path).videos() == ()


async def test_a_failed_video_has_its_reason_and_a_later_success_mends_it(stage: StoreStage, tmp_path: Path) -> None:
    logs = Logs()
    failed_before = metrics.VIDEOS.labels("failed")._value.get()
    (tmp_path / "media/vid/download-0").mkdir(parents=True)
    assert await stage.process(logs.deliver(dead("download", "vid"))) == [()]
    assert statuses(tmp_path) == {"vid": ("failed", "private")}
    assert rows(tmp_path, "SELECT failed_stage, message FROM videos") == [("download", "the video is private")]
    assert media_store(tmp_path).videos() == ()
    assert metrics.VIDEOS.labels("failed")._value.get() == failed_before + 1

    await stage.process(logs.deliver(embedded(tmp_path, "vid"), done(tmp_path, "vid")))
    assert statuses(tmp_path) == {"vid": ("done", None)}
    assert rows(tmp_path, "SELECT failed_stage, message FROM videos") == [(None, None)]
    assert rows(tmp_path, "SELECT stage FROM dead_letters") == [("download",)]


async def test_a_dead_clip_counts_as_ended(stage: StoreStage, tmp_path: Path) -> None:
    logs = Logs()
    lost = rejected("vid", 1, 2)
    await stage.process(logs.deliver(embedded(tmp_path, "vid", 0, 2), done(tmp_path, "vid", 2)))
    await stage.process(logs.deliver(dead("score", "vid", lost.clip_id, reason="out_of_memory")))
    assert statuses(tmp_path) == {"vid": ("done", None)}
    # Retried, it comes after all: a row more, and nothing is worse.
    await stage.process(logs.deliver(lost))
    assert statuses(tmp_path) == {"vid": ("done", None)}
    assert rows(tmp_path, "SELECT count(*) FROM clips") == [(2,)]


async def test_a_dead_letter_never_takes_back_what_is_done(stage: StoreStage, tmp_path: Path) -> None:
    logs = Logs()
    made = embedded(tmp_path, "vid")
    await stage.process(logs.deliver(made, done(tmp_path, "vid")))
    await stage.process(
        logs.deliver(
            dead("download", "vid", None, 1),
            dead("score", "vid", made.clip_id, 2, reason="media_gone"),
            dead("embed", "vid", made.clip_id, 3, reason="boom"),
        )
    )
    assert statuses(tmp_path) == {"vid": ("done", None)}
    assert rows(tmp_path, "SELECT stage, reason FROM dead_letters ORDER BY 1") == [
        ("download", "private"),
        ("embed", "boom"),
    ]


async def test_a_video_that_comes_again_keeps_its_media_until_its_last_clip(stage: StoreStage, tmp_path: Path) -> None:
    logs = Logs()
    records = [embedded(tmp_path, "vid", 0, 2), rejected("vid", 1, 2), done(tmp_path, "vid", 2)]
    await stage.process(logs.deliver(*records))
    assert media_store(tmp_path).videos() == ()
    embedded(tmp_path, "vid", 0, 2)  # published again, downloaded again, cut again
    await stage.process(logs.deliver(records[2]))
    await stage.process(logs.deliver(records[0]))
    assert media_store(tmp_path).videos() == ("vid",), "the other clip may still be in work"
    await stage.process(logs.deliver(records[1]))
    assert media_store(tmp_path).videos() == ()
    assert rows(tmp_path, "SELECT count(*) FROM clips") == [(2,)]


async def test_the_next_start_removes_what_a_crash_left(tmp_path: Path) -> None:
    logs, lake = Logs(), dataset(tmp_path)
    lake.open()
    for video_id in ("left", "again", "open"):
        embedded(tmp_path, video_id, 0, 2)
    for path in (tmp_path / "media").rglob("*"):
        os.utime(path, (1000, 1000))
    both = [done(tmp_path, video_id, 0) for video_id in ("left", "again")]
    for path in (tmp_path / "media").rglob("*"):
        os.utime(path, (1000, 1000))
    assert lake.commit(logs.deliver(*both, done(tmp_path, "open", 2))).finished_videos == ["left", "again"]
    lake.close()  # as if it died before the removal
    changed = tmp_path / "media/again/segment-0"
    os.utime(changed, (4e9, 4e9))  # in work again since

    stage = StoreStage(dataset(tmp_path), media_store(tmp_path), settings(tmp_path).store)
    await stage.setup()
    assert set(media_store(tmp_path).videos()) == {"again", "open"}
    await stage.close()


async def test_one_bad_record_fails_alone(stage: StoreStage, tmp_path: Path) -> None:
    good, bad = embedded(tmp_path, "vid", 0, 2), embedded(tmp_path, "vid", 1, 2)
    media_store(tmp_path).path(bad.media.path).unlink()
    outcomes = await stage.process(Logs().deliver(good, bad))
    assert outcomes[0] == ()
    assert isinstance(outcomes[1], StageError)
    assert outcomes[1].reason == "media_gone"


async def test_a_record_of_a_kind_that_no_table_takes_is_told(stage: StoreStage) -> None:
    (outcome,) = await stage.process([delivery("what?", "clips.embedded")])
    assert isinstance(outcome, StageError)
    assert outcome.reason == "unexpected_record"


HOLD_THE_CATALOG = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


async def test_a_busy_catalog_is_tried_again_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vta_stream.stores.catalog._BUSY_TIMEOUT_MS", 100)
    stage = StoreStage(dataset(tmp_path), media_store(tmp_path), settings(tmp_path).store)
    await stage.setup()
    logs = Logs()
    await stage.process(logs.deliver(embedded(tmp_path, "vid", 0, 3)))
    deliveries = logs.deliver(embedded(tmp_path, "vid", 1, 3), embedded(tmp_path, "vid", 2, 3))
    catalog = settings(tmp_path).dataset_dir / "catalog.sqlite"
    holder = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", HOLD_THE_CATALOG, str(catalog)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    outcomes = await stage.process(deliveries)
    assert [(type(outcome), getattr(outcome, "reason", None)) for outcome in outcomes] == [
        (TransientError, "catalog_locked")
    ] * 2
    holder.stdin.close()
    holder.wait()
    assert check_samples(tmp_path) == 2
    assert await stage.process(deliveries) == [(), ()]
    assert check_samples(tmp_path) == 6
    await stage.close()


async def test_metrics_tell_what_was_committed(stage: StoreStage, tmp_path: Path) -> None:
    def value(metric: Any, *labels: str) -> float:
        return float(metric.labels(*labels)._value.get())

    before = [
        value(metrics.CLIPS, "accepted"),
        value(metrics.FILTERED, "motion", "reject"),
        value(metrics.STORE_ROWS, "samples"),
    ]
    stored = value(metrics.MEDIA_SECONDS, "stored")
    delays = metrics.VISIBLE_DELAY._sum.get()  # type: ignore[attr-defined]
    await stage.process(Logs().deliver(embedded(tmp_path, "vid", 0, 2), rejected("vid", 1, 2)))
    after = [
        value(metrics.CLIPS, "accepted"),
        value(metrics.FILTERED, "motion", "reject"),
        value(metrics.STORE_ROWS, "samples"),
    ]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 2]
    assert value(metrics.MEDIA_SECONDS, "stored") == stored + 4
    assert metrics.VISIBLE_DELAY._sum.get() > delays  # type: ignore[attr-defined]


async def test_a_record_that_no_code_expected_is_not_lost_behind_later_ones(
    stage: StoreStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vta_stream.stores import batch

    clips = [rejected("vid", index, 3) for index in range(3)]
    deliveries = Logs().deliver(*clips)
    clip_row = batch.clip_row

    def fragile(clip: Any, **facts: Any) -> Any:
        if clip is clips[1]:
            raise KeyError("a defect")
        return clip_row(clip, **facts)

    with monkeypatch.context() as patched:
        patched.setattr(batch, "clip_row", fragile)
        with pytest.raises(KeyError):
            await stage.process(deliveries)
        assert await stage.process(deliveries[:1]) == [()]
        with pytest.raises(KeyError):
            await stage.process(deliveries[1:2])
        assert await stage.process(deliveries[2:]) == [()]
    # The defect was the machine's (out of memory, say): the next try in place gets it in.
    assert await stage.process(deliveries[1:2]) == [()]
    assert rows(tmp_path, "SELECT count(*) FROM clips") == [(3,)]


async def test_a_log_that_ends_too_early_stops_the_start(stage: StoreStage) -> None:
    await stage.process([delivery(rejected("vid"), "clips.rejected", 9)])
    log = ("cluster-1", "id-of-clips.rejected", 0)
    await stage.check_log_ends({log: 10})
    with pytest.raises(StageError, match="that log ends at 9"):
        await stage.check_log_ends({log: 9})
