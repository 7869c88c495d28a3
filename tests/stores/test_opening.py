"""Opening a dataset: one writer, the right version, the right log, wherever the folder is now; and keeping it tidy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import delivery
from tests.stores.lakes import Logs, check_samples, dataset, embedded, rejected, rows, settings
from vta_stream.ports import TerminalError, TransientError


def test_a_second_writer_gets_a_clear_error_and_the_first_goes_on(tmp_path: Path) -> None:
    lake, second = dataset(tmp_path), dataset(tmp_path)
    lake.open()
    with pytest.raises(TerminalError, match="one writer") as caught:
        second.open()
    assert caught.value.reason == "second_writer"
    lake.commit(Logs().deliver(rejected("vid")))
    lake.close()
    second.open()
    second.close()
    second.close()


def test_a_dataset_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    lake = dataset(tmp_path)
    lake.open()
    lake.lake.execute("UPDATE dataset_version SET schema_version = 99")
    lake.close()
    with pytest.raises(TerminalError, match=r"version 99.*writes version 1.*data_dir") as caught:
        dataset(tmp_path).open()
    assert caught.value.reason == "dataset_version"


def test_a_file_that_is_no_catalog_is_refused(tmp_path: Path) -> None:
    folder = settings(tmp_path).dataset_dir
    folder.mkdir(parents=True)
    (folder / "catalog.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises((TerminalError, TransientError), match=r"catalog"):
        dataset(tmp_path).open()
    assert (folder / "catalog.sqlite").read_bytes().startswith(b"this is no")


def test_a_log_that_ends_before_the_stored_offset_stops_the_start(tmp_path: Path) -> None:
    lake = dataset(tmp_path)
    lake.open()
    lake.commit([delivery(rejected("vid"), "clips.rejected", 41)])
    log = ("cluster-1", "id-of-clips.rejected", 0)
    lake.check_log_ends({log: 42, ("cluster-2", "id-of-clips.rejected", 0): 0})
    with pytest.raises(TerminalError, match=r"up to offset 42.*ends at 7") as caught:
        lake.check_log_ends({log: 7})
    assert caught.value.reason == "offsets_ahead"
    lake.close()


def test_a_dataset_can_be_moved(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path / "here", shard_samples_max=2), Logs()
    lake.open()
    lake.commit(logs.deliver(*(embedded(tmp_path / "here", "vid", index, 3) for index in range(3))))
    lake.close()
    (tmp_path / "here").rename(tmp_path / "there")
    moved = dataset(tmp_path / "there", shard_samples_max=2)
    moved.open()
    assert rows(tmp_path / "there", "SELECT count(*) FROM clips") == [(3,)]
    moved.commit(logs.deliver(rejected("vid", 3, 3)))
    assert rows(tmp_path / "there", "SELECT count(*) FROM clips") == [(4,)]
    assert check_samples(tmp_path / "there") == 6
    moved.close()


def test_maintenance_merges_and_loses_nothing(tmp_path: Path) -> None:
    now_s = [1000.0]
    lake = dataset(tmp_path, maintenance_interval_s=10)
    lake.open()
    lake._tidied_at_s, lake._clock = now_s[0], lambda: now_s[0]
    logs = Logs()
    for index in range(6):
        lake.commit(logs.deliver(rejected("vid", index, 6)))
    assert len(lake.lake.rows("FROM ducklake_list_files('vta', 'clips')")) == 6
    before = rows(tmp_path, "SELECT * FROM clips ORDER BY clip_id")
    assert not lake.tick()
    now_s[0] += 10
    assert lake.tick()
    assert not lake.tick()
    assert len(lake.lake.rows("FROM ducklake_list_files('vta', 'clips')")) == 1
    assert rows(tmp_path, "SELECT * FROM clips ORDER BY clip_id") == before
    lake.commit(logs.deliver(rejected("vid", 6, 6)))
    assert rows(tmp_path, "SELECT count(*) FROM clips") == [(7,)]
    lake.close()
