"""Files of the tables: gone, cut, changed, or elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.stores.verifying.worlds import found
from vta_stream.stores.verifying import check, repair


def first_file(folder: Path, table: str) -> Path:
    return min((folder / "tables" / "main" / table).glob("*.parquet"))


def test_a_file_that_is_gone_is_one_finding_and_nothing_is_touched(whole: Path) -> None:
    file = first_file(whole, "clips")
    file.unlink()
    repaired = repair(whole, drop_lost=True)
    assert [(f.kind, f.place) for f in repaired.before.findings] == [
        ("table_file_missing", str(file.relative_to(whole)))
    ]
    assert repaired.done == ()
    assert "the tables clips cannot be read: what needs them was not checked" in repaired.before.notes


def test_a_file_that_was_cut_is_told_by_its_length(whole: Path) -> None:
    file = first_file(whole, "captions")
    file.write_bytes(file.read_bytes()[:-7])
    assert found(whole) == [("table_file_damaged", str(file.relative_to(whole)))]


def test_a_file_whose_content_cannot_be_read_is_told_by_reading_it(whole: Path) -> None:
    file = first_file(whole, "transcripts")
    content = bytearray(file.read_bytes())
    content[4:200] = b"\xff" * 196
    file.write_bytes(content)
    report = check(whole)
    assert [(f.kind, f.place) for f in report.findings] == [("table_file_damaged", "tables/main/transcripts")]
    assert report.checked["samples"] == 14


@pytest.mark.parametrize("table", ["shards", "samples"])
def test_without_the_tables_of_shards_their_files_are_not_called_unknown(whole: Path, table: str) -> None:
    file = first_file(whole, table)
    file.unlink()
    assert {kind for kind, _ in found(whole)} == {"table_file_missing"}


def test_a_dataset_that_was_moved_is_read_where_it_is(whole: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(whole, moved)
    report = check(moved)
    assert [(f.kind, f.place) for f in report.findings] == [("moved", "tables")]
    assert str(whole) in report.findings[0].detail
    assert report.checked["samples"] == 14
    assert repair(moved).after.findings == []
