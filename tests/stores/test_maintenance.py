"""Merging and cleaning, seen from a reader: nothing that it looks at may change or vanish under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stores.lakes import Logs, dataset, done, embedded, rejected, settings
from vta_stream.stores.catalog import extension_file
from vta_stream.stores.dataset import LakeDataset
from vta_stream.stores.maintenance import tidy
from vta_stream.stores.reader import attach_statement, open_reader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Counts come from the catalog alone, the others from the files that it names; DuckLake asks for them in other ways.
LOOK = """SELECT (SELECT count(*) FROM clips), (SELECT count(*) FROM videos WHERE status = 'done'),
    (SELECT count(DISTINCT clip_id) FROM samples), (SELECT count(*) FROM clips WHERE video_id = 'vid-1'),
    (SELECT sum(next_offset) FROM offsets)::BIGINT"""


@contextmanager
def plain_reader(folder: Path) -> Iterator[DuckDBPyConnection]:
    """Any DuckDB with the statement that we hand out."""
    import duckdb

    with duckdb.connect() as connection:
        for name in ("sqlite_scanner", "ducklake"):
            connection.execute(f"LOAD '{extension_file(name)}'")
        connection.execute(attach_statement(settings(folder)))
        connection.execute("USE vta")
        yield connection


def deliver_video(lake: LakeDataset, logs: Logs, folder: Path, name: str) -> None:
    lake.commit(logs.deliver(embedded(folder, name), done(folder, name)))


@pytest.mark.parametrize("own", [False, True], ids=["open_reader", "own duckdb"])
def test_a_reader_sees_one_state_through_a_merge(tmp_path: Path, own: bool) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    for index in range(2):
        deliver_video(lake, logs, tmp_path, f"vid-{index}")
    with plain_reader(tmp_path) if own else open_reader(settings(tmp_path)) as connection:
        connection.execute("SET threads = 4")
        # What goes wrong within a query when a merge is committed at the wrong moment, goes wrong here for certain:
        # the transaction has seen the catalog before, and looks into it after.
        connection.execute("BEGIN; FROM dataset_version")
        deliver_video(lake, logs, tmp_path, "later")
        tidy(lake.lake, lake._settings)
        assert len(lake.lake.rows("FROM ducklake_list_files('vta', 'clips')")) == 1, "it was merged"
        assert connection.execute(LOOK).fetchall() == [(2, 2, 2, 1, 4)]
        connection.execute("COMMIT")
        assert connection.execute(LOOK).fetchall() == [(3, 3, 3, 1, 6)]
    lake.close()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_merged_files_and_snapshots_stay_for_their_time(tmp_path: Path, zone: str) -> None:
    lake, logs = dataset(tmp_path, keep_snapshots_days=1 / 24), Logs()
    lake.open()
    lake.lake.execute(f"SET GLOBAL TimeZone = '{zone}'")  # DuckLake's own connection takes it for what it writes
    for index in range(2):
        lake.commit(logs.deliver(rejected("vid", index, 2)))
    folder = tmp_path / "dataset/tables/main/clips"
    before = set(folder.iterdir())
    snapshots = lake.lake.rows("SELECT snapshot_id, snapshot_time FROM ducklake_snapshots('vta')")
    tidy(lake.lake, lake._settings)
    assert before < set(folder.iterdir()), "a merged file more, and all others"
    kept = lake.lake.rows("SELECT snapshot_id, snapshot_time FROM ducklake_snapshots('vta')")
    assert kept[: len(snapshots)] == snapshots
    tidy(lake.lake, lake._settings, unused_kept_s=0)
    assert len(set(folder.iterdir())) == 1
    assert not before & set(folder.iterdir())
    lake.close()
