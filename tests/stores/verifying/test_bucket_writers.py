"""Verify and its repair beside a writer on another machine: on Postgres, on S3, and on both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres_process import PostgresProcess
from tests.s3_process import S3Process
from tests.stores.backends import Backend
from tests.stores.lakes import Logs, embedded
from tests.stores.verifying.bucket_worlds import Stored, fill
from vta_stream.ports import TerminalError, TransientError
from vta_stream.stores.lake import Lake
from vta_stream.stores.verifying import repairing

FOREIGN = "shards/video-text/train/shard-000009-1.tar"


@pytest.fixture
def place(tmp_path: Path, postgres: PostgresProcess, s3: S3Process) -> Backend:
    return Backend(tmp_path / "one").put_catalog(postgres).put_files(s3)


def from_another_machine(place: Backend) -> Stored:
    """The same dataset, where nothing local is shared."""
    return Stored(Backend(place.folder.parent / "two", place.store, place.root))


def test_wherever_it_is_it_is_clean_and_a_repair_takes_a_number(backend: Backend) -> None:
    stored = fill(backend)
    report = stored.check()
    assert (report.findings, report.notes, report.checked["samples"]) == ([], [], 14)
    assert stored.rows("SELECT number FROM writer") == [(1,)]
    repaired = stored.repair()
    assert (repaired.after.findings, repaired.done, repaired.left) == ([], (), ())
    assert stored.rows("SELECT number FROM writer") == [(2,)]
    stored.commit_more()
    report = stored.check()
    assert (report.findings, report.checked["samples"]) == ([], 16)


def test_a_writer_on_another_machine_is_seen_and_keeps_a_repair_out(place: Backend) -> None:
    here = from_another_machine(place)
    lake = place.dataset()
    lake.open()
    assert lake.commit(Logs().deliver(embedded(place.folder, "vid"))).failures == {}
    place.bucket.put(FOREIGN, b"of a commit under way, perhaps")
    report = here.check()
    assert report.findings == []
    assert report.notes[0].startswith("a worker is writing")
    assert report.checked["samples"] == 2
    with pytest.raises(TerminalError, match="is being written by vta-stream, process") as caught:
        here.repair()
    assert caught.value.reason == "second_writer"
    assert FOREIGN in here.keys("shards")
    lake.close()
    assert here.found() == [("unknown_shard_file", FOREIGN)]
    assert here.repair().after.findings == []


def test_a_zombie_cannot_commit_after_a_repair(
    place: Backend, postgres: PostgresProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session ends in the middle of its transaction, its shards are uploaded: for the repair they are leftovers."""
    here = from_another_machine(place)
    lake, logs = place.dataset(), Logs()
    lake.open()
    assert lake.commit(logs.deliver(embedded(place.folder, "vid", 0, 2))).failures == {}
    sync = Lake._sync_files
    moved: list[str] = []

    def repair_first(self: Lake) -> None:
        monkeypatch.setattr(Lake, "_sync_files", sync)
        postgres.end_sessions(place.store["catalog"], only_lock=True)
        moved.extend(here.repair().done)
        sync(self)

    monkeypatch.setattr(Lake, "_sync_files", repair_first)
    with pytest.raises(TransientError) as caught:
        lake.commit(logs.deliver(embedded(place.folder, "vid", 1, 2)))
    assert caught.value.reason in ("catalog_locked", "writer_fenced")
    assert len([line for line in moved if line.startswith("shards/")]) == 2
    assert place.rows("SELECT clip_id FROM clips") == [("vid_000000000_000004000_0a1b2c3d",)]
    lake.close()
    assert here.found() == []


def test_a_repair_that_was_taken_over_touches_nothing(
    place: Backend, postgres: PostgresProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its check and its work: what it found may be somebody's by now."""
    stored = fill(place)
    place.bucket.put(FOREIGN, b"x")
    check = repairing.check

    def taken_over_after(*arguments: object, **options: object) -> object:
        report = check(*arguments, **options)  # type: ignore[arg-type]
        postgres.end_sessions(place.store["catalog"], only_lock=True)
        other = Backend(place.folder.parent / "two", place.store, place.root).dataset()
        monkeypatch.setattr("vta_stream.stores.bucket_sink.BucketSink.collect_orphans", lambda self, rows: 0)
        other.open()
        other.close()
        return report

    monkeypatch.setattr(repairing, "check", taken_over_after)
    with pytest.raises(TransientError) as caught:
        stored.repair()
    assert caught.value.reason == "writer_fenced"
    assert FOREIGN in stored.keys("shards")
    assert not stored.keys("quarantine")
