"""On Postgres and on S3 a dataset is the same as in a folder, row by row and byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import delivery
from tests.stores.backends import Backend
from tests.stores.lakes import Logs, dataset, dead, done, embedded, media_store, rejected, state, topic_of
from vta_stream import metrics
from vta_stream.ports import TerminalError


def world(folder: Path) -> list[object]:
    lost = rejected("vid-a", 4, 5)
    return [
        *(embedded(folder, "vid-a", index, 5) for index in range(3)),
        rejected("vid-a", 3, 5),
        done(folder, "vid-a", 5),
        dead("score", "vid-a", lost.clip_id, 1, reason="out_of_memory"),
        dead("download", "vid-b", None, 2),
    ]


def test_it_holds_what_a_folder_would_hold(backend: Backend, tmp_path: Path) -> None:
    local, there = dataset(tmp_path / "local", shard_samples_max=2), backend.dataset(shard_samples_max=2)
    local.open()
    there.open()
    for lake, folder in ((local, tmp_path / "local"), (there, tmp_path)):
        logs, records = Logs(), world(folder)
        lake.commit(logs.deliver(*records[:2]))
        result = lake.commit(logs.deliver(*records[2:]))
        assert result.failures == {}
        assert set(result.finished_videos) == {"vid-a", "vid-b"}
    assert backend.state(shards=False) == state(tmp_path / "local", shards=False)
    assert backend.rows("SELECT topic, next_offset FROM offsets ORDER BY 1") == [
        ("clips.embedded", 3),
        ("clips.rejected", 1),
        ("dead-letters", 2),
        ("videos.done", 1),
    ]
    assert backend.check_samples() == 6
    for lake in (local, there):
        lake.close()
    # The writer's number is in no row but its own, and readers need no writer.
    assert backend.state(shards=False) == state(tmp_path / "local", shards=False)


def test_what_comes_again_is_not_added_again(backend: Backend) -> None:
    lake, records = backend.dataset(shard_samples_max=2), world(backend.folder)
    lake.open()
    first = [delivery(record, topic_of(record), offset) for offset, record in enumerate(records)]
    lake.commit(first)
    before = backend.state()
    by_offset, by_id = (metrics.STORE_REPEATS.labels(guard)._value.get() for guard in ("offset", "id"))
    assert lake.commit(first).failures == {}
    assert metrics.STORE_REPEATS.labels("offset")._value.get() == by_offset + len(first)
    lake.close()
    again = backend.dataset(shard_samples_max=2)
    again.open()
    assert again.commit(first).failures == {}
    later = [delivery(record, topic_of(record), 100 + offset) for offset, record in enumerate(records)]
    assert again.commit(later).failures == {}
    assert metrics.STORE_REPEATS.labels("id")._value.get() > by_id
    after = backend.state()
    assert after.pop("offsets") != before.pop("offsets")
    assert after == before
    assert backend.check_samples() == 6
    again.close()


def test_a_failed_record_fails_alone(backend: Backend) -> None:
    lake, good = backend.dataset(), [embedded(backend.folder, "vid", index, 3) for index in range(3)]
    lake.open()
    media_store(backend.folder).path(good[1].media.path).unlink()
    failures = lake.commit(Logs().deliver(*good)).failures
    assert {index: error.reason for index, error in failures.items()} == {1: "media_gone"}
    assert backend.rows("SELECT count(*), (SELECT max(next_offset) FROM offsets) FROM clips") == [(2, 1)]
    assert backend.check_samples() == 4
    lake.close()


def test_maintenance_merges_and_loses_nothing(backend: Backend) -> None:
    now_s = [1000.0]
    lake = backend.dataset(maintenance_interval_s=10)
    lake.open()
    lake._tidied_at_s, lake._clock = now_s[0], lambda: now_s[0]
    logs = Logs()
    for index in range(4):
        lake.commit(logs.deliver(embedded(backend.folder, "vid", index, 5)))
    assert len(lake.lake.rows("FROM ducklake_list_files('vta', 'clips')")) == 4
    before = backend.state()
    now_s[0] += 10
    assert lake.tick()
    assert len(lake.lake.rows("FROM ducklake_list_files('vta', 'clips')")) == 1
    assert backend.state() == before
    lake.commit(logs.deliver(embedded(backend.folder, "vid", 4, 5)))
    assert backend.check_samples() == 10
    lake.close()


def test_files_that_nothing_needs_are_removed(backend: Backend) -> None:
    from vta_stream.stores.maintenance import tidy

    lake, logs = backend.dataset(keep_snapshots_days=1e-9), Logs()
    lake.open()
    for index in range(3):
        lake.commit(logs.deliver(rejected("vid", index, 3)))
    tables = (backend.root or backend.folder / "dataset") / "tables/main/clips"
    left = tables / "ducklake-00000000-0000-0000-0000-000000000000.parquet"
    left.write_bytes(b"of a commit that a crash ended")
    before = backend.state()
    tidy(lake.lake, lake._settings, unused_kept_s=0, orphans_kept_s=0)
    assert len(list(tables.iterdir())) == 1
    assert not left.exists()
    assert backend.state() == before
    lake.close()


def test_another_datasets_place_is_refused(backend: Backend, tmp_path: Path) -> None:
    lake = backend.dataset()
    lake.open()
    lake.commit(Logs().deliver(embedded(backend.folder, "vid")))
    lake.close()
    before = backend.state(), backend.shards
    if backend.root is None:  # the same catalog, and the folder of another machine
        elsewhere = Backend(tmp_path / "elsewhere", backend.store)
        reason = "wrong_place"
    else:  # another catalog, and the same bucket
        elsewhere = Backend(tmp_path / "elsewhere", {**backend.store, "catalog": "sqlite:catalog.sqlite"}, backend.root)
        reason = "place_taken"
    with pytest.raises(TerminalError, match="store") as caught:
        elsewhere.dataset().open()
    assert caught.value.reason == reason
    assert (backend.state(), backend.shards) == before
    lake.open()
    lake.close()


def test_a_new_dataset_wants_an_empty_place(backend: Backend) -> None:
    root = backend.root or backend.folder / "dataset"
    (root / "tables/main").mkdir(parents=True)
    (root / "tables/main/precious.parquet").write_bytes(b"not ours")
    with pytest.raises(TerminalError, match=r"precious\.parquet") as caught:
        backend.dataset().open()
    assert caught.value.reason == "place_taken"
