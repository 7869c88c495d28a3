"""One snapshot of the catalog, read in one go, so that a writer beside it is neither seen nor held up."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.stores.catalog import Catalog, quoted
from vta_stream.stores.reader import read_catalog
from vta_stream.stores.shards import ShardRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY_LIMIT = "1GB"
_META = "__ducklake_metadata_vta"
_ROWS_A_FETCH = 2000
_SHARDS = """SELECT shard_path, layout, split, shard_index, state, sample_count, data_bytes,
epoch(opened_at), epoch(sealed_at) FROM shards ORDER BY shard_path"""
# A row that is there twice is a finding of its own; here it would only make others out of it.
_PLACED = """CREATE OR REPLACE TEMP TABLE placed AS
SELECT placed.*, clip.* EXCLUDE (clip_id), made.* EXCLUDE (clip_id)
FROM (SELECT DISTINCT shard_path, offset_bytes, size_bytes, clip_id, layout, split FROM samples) AS placed
LEFT JOIN (SELECT clip_id, any_value(struct_pack(video_id, text, start_s, end_s, sha256)) AS clip
    FROM clips GROUP BY clip_id) AS clip USING (clip_id)
LEFT JOIN (SELECT clip_id, any_value(struct_pack(dim, frame_count, clip_embedding)) AS made
    FROM embeddings GROUP BY clip_id) AS made USING (clip_id)
ORDER BY shard_path, offset_bytes, clip_id"""


@dataclass(frozen=True, slots=True)
class Placed:
    """A row of `samples`, with what the rows of its clip and its embeddings say; None where there are none."""

    shard_path: str
    offset_bytes: int
    size_bytes: int
    clip_id: str
    layout: str
    split: str
    clip: dict[str, Any] | None
    made: dict[str, Any] | None


class Snapshot:
    """The open catalog. Use `queries` for what has to agree, then `samples` for as long as it takes."""

    def __init__(self, catalog: Catalog, connection: DuckDBPyConnection) -> None:
        self.catalog = catalog
        self._connection = connection

    @contextmanager
    def queries(self) -> Iterator[None]:
        """All queries within see the same dataset. Keep it short: the catalog's log cannot shrink meanwhile."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few thousand at a time."""
        result = self._connection.execute(sql)
        while chunk := result.fetchmany(_ROWS_A_FETCH):
            yield from chunk

    def version(self) -> int:
        """The number of the dataset's newest commit."""
        ((number,),) = self.rows(f"SELECT max(snapshot_id) FROM {_META}.ducklake_snapshot")
        return int(number)

    def shards(self) -> list[ShardRow]:
        """The rows of `shards`, by path."""
        return [ShardRow(*row) for row in self.rows(_SHARDS)]

    def keep_samples(self) -> None:
        """Copy out what `samples` will give: the bytes are read for hours, which no transaction should last."""
        self._connection.execute(_PLACED)

    def samples(self) -> Iterator[Placed]:
        """What `keep_samples` kept, in the order of the shards' paths and of the bytes in them."""
        return (Placed(*row) for row in self.rows("FROM temp.placed ORDER BY shard_path, offset_bytes, clip_id"))

    def table_files(self) -> Iterator[tuple[str, str, int | None]]:
        """(table, path, bytes) of every file of the tables that the catalog knows, live or waiting to be removed.

        Paths are relative to the tables' folder unless they are absolute; the bytes of the latter are None, and
        so is their table's name "".
        """
        joins = (
            f"JOIN {_META}.ducklake_table AS t USING (table_id) JOIN {_META}.ducklake_schema AS s "
            "ON s.schema_id = t.schema_id"
        )
        path = "CASE WHEN f.path_is_relative THEN s.path || t.path || f.path ELSE f.path END"
        live = "f.end_snapshot IS NULL"
        for table in ("ducklake_data_file", "ducklake_delete_file"):
            yield from self.rows(
                f"SELECT DISTINCT t.table_name, {path}, CASE WHEN {live} THEN f.file_size_bytes END "
                f"FROM {_META}.{table} AS f {joins}"
            )
        yield from self.rows(f"SELECT '', path, NULL FROM {_META}.ducklake_files_scheduled_for_deletion")


@contextmanager
def open_snapshot(dataset_dir: Path, catalog: str) -> Iterator[Snapshot]:
    """The catalog, READ_ONLY. DatasetError if there is none, or none of this version.

    DuckDB keeps to 1 GB of memory and puts what does not fit into a temporary folder, not into the dataset.
    """
    place = Catalog(dataset_dir, catalog)
    with read_catalog(place) as connection, tempfile.TemporaryDirectory(prefix="vta-verify-") as spill:
        connection.execute(
            f"SET threads = 2; SET memory_limit = '{_MEMORY_LIMIT}'; SET temp_directory = {quoted(spill)}"
        )
        yield Snapshot(place, connection)


def writer_at_work(dataset_dir: Path) -> bool:
    """True if a process holds the dataset's writer lock. Takes it, shared, for a moment to see."""
    try:
        descriptor = os.open(dataset_dir / "writer.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def files_below(folder: Path) -> Sequence[tuple[str, int]]:
    """(path relative to `folder`, bytes) of every file below it."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            try:
                found.append((str(path.relative_to(folder)), path.lstat().st_size))
            except FileNotFoundError:  # a writer removed or renamed it just now
                continue
    return sorted(found)
