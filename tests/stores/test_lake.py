"""The writer's connection after an error in the midst of a lookup."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.stores.lakes import dataset

SOMEBODY = [{"clip_id": "somebody"}]


def test_a_lookup_that_an_error_cut_off_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    """Pinned: DuckDB's `unregister` fails in silence in a transaction that is cut off, and `register` refuses then."""
    store = dataset(tmp_path)
    store.open()
    lake = store.lake
    for _ in range(2):
        with pytest.raises(duckdb.CatalogException, match="nowhere"), lake.lookup("somebody", SOMEBODY):
            lake.execute("BEGIN")
            lake.rows("FROM nowhere")
        lake.execute("ROLLBACK")
        with lake.lookup("somebody", SOMEBODY):
            assert lake.rows("FROM somebody") == [("somebody",)]
    store.close()
