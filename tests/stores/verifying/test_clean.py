"""A dataset in which nothing is wrong has no findings, at rest and while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.lakes import Logs, dataset, embedded, settings
from vta_stream.stores.reader import DatasetError
from vta_stream.stores.verifying import check, verify


def test_a_dataset_of_the_store_is_clean(whole: Path) -> None:
    folder = whole
    report = check(folder)
    assert report.findings == []
    assert report.notes == []
    assert report.checked["samples"] == 14
    assert report.checked["shards"] == len(list(folder.glob("shards/*/*/shard-*")))
    assert report.checked["bytes"] == sum(
        path.stat().st_size - (0 if path.suffix == ".part" else 1024) for path in folder.glob("shards/*/*/shard-*")
    )


def test_a_writer_at_work_is_said_and_what_it_has_not_committed_is_passed_over(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    lake.commit(logs.deliver(embedded(tmp_path, "vid", 0, 2)))
    folder = settings(tmp_path).dataset_dir
    (part,) = folder.glob("shards/video-text/*/*.part")
    with part.open("ab") as file:
        file.write(b"half a sample")
    (folder / "shards" / "video-text" / "train" / "shard-000001.tar.part").write_bytes(b"the next one")
    report = check(folder)
    assert report.findings == []
    assert "a worker is writing: checked is the snapshot of commit" in report.notes[0]
    assert report.checked["samples"] == 2
    lake.close()
    assert {finding.kind for finding in verify(folder)} == {"shard_tail", "unknown_shard_file"}


def test_a_check_changes_no_file(whole: Path) -> None:
    """But for what SQLite keeps beside a catalog that is read, as with every reader."""

    def times() -> dict[str, int]:
        files = (path for path in whole.rglob("*") if path.is_file() and "sqlite-" not in path.name)
        return {str(path): path.stat().st_mtime_ns for path in files}

    before = times()
    verify(whole)
    assert times() == before


def test_no_dataset_is_an_error_and_not_a_clean_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset yet under"):
        verify(tmp_path)
