"""The writer's connection: an error in the midst of a lookup, and which errors trying again can help."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.stores.lakes import dataset
from vta_stream.stores.catalog import lake_error

SOMEBODY = [{"clip_id": "somebody"}]


def test_a_lookup_that_an_error_cut_off_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    """Pinned: DuckDB's `unregister` fails in silence in a transaction that is cut off, and `register` refuses then."""
    store = dataset(tmp_path)
    store.open()
    lake = store.lake
    for _ in range(2):
        with pytest.raises(duckdb.CatalogException, match="nowhere"), lake.lookup("somebody", SOMEBODY):
            lake.rows("BEGIN; FROM nowhere")
        lake.execute("ROLLBACK")
        with lake.lookup("somebody", SOMEBODY):
            assert lake.rows("FROM somebody") == [("somebody",)]
    store.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('Failed to execute query "PRAGMA journal_mode=WAL": disk I/O error', "catalog_io"),
        ('Failed to get data file list: Failed to prepare COPY "COPY (SELECT": server closed', "catalog_io"),
        ("Failed to flush changes into DuckLake: database is locked", "catalog_locked"),
        ("could not write to file: No space left on device", "disk_full"),
        ("Catalog Error: Table with name nowhere does not exist", None),
    ],
)
def test_an_error_of_disk_or_catalog_can_pass_and_one_of_ours_cannot(text: str, reason: str | None) -> None:
    found = lake_error(duckdb.Error(text))
    assert (found.reason if found else None) == reason
