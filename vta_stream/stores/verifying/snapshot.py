"""One snapshot of the catalog, read in one go, so that a writer beside it is neither seen nor held up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vta_stream.stores.catalog import DATA_PATH, METADATA, Catalog, quoted
from vta_stream.stores.reader import read_catalog
from vta_stream.stores.shards import ShardRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY_LIMIT = "1GB"
_ROWS_A_FETCH = 2000
_SHARDS = """SELECT shard_path, layout, split, shard_index, state, sample_count, data_bytes,
epoch(opened_at), epoch(sealed_at) FROM shards
QUALIFY row_number() OVER (PARTITION BY shard_path ORDER BY data_bytes DESC) = 1 ORDER BY shard_path"""
_COLUMNS = {
    "videos": "video_id, status, pipeline_version, clip_count, url, source, labels, updated_at",
    "transcripts": "video_id, pipeline_version",
    "clips": (
        "clip_id, video_id, accepted, split, sha256, text, start_s, end_s, "
        "coalesce(list_bool_or([NOT verdict.keep FOR verdict IN verdicts]), false) AS refused"
    ),
    "captions": "clip_id, caption_index",
    "embeddings": "clip_id, dim, frame_count, clip_embedding, len(text_embedding) AS text_dim",
    "samples": "*",
    "shards": "*",
    "pipeline_versions": "pipeline_version",
    "offsets": "*",
    "dead_letters": "cluster_id, stage, input_topic, input_partition, input_offset, video_id, clip_id",
}
"""What the checks need of each table."""
# A row that is there twice is a finding of its own; here it would only make others out of it.
_PLACED = """CREATE OR REPLACE TEMP TABLE placed AS
SELECT placed.*, clip, CASE layout WHEN 'embeddings' THEN made END AS made
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
    """One state of the catalog. `copy` it first; whatever is asked afterwards is asked of the copy.

    The bytes of the shards are read for hours, and no transaction should last so long: the catalog's own log could
    not shrink meanwhile.
    """

    def __init__(self, catalog: Catalog, connection: DuckDBPyConnection) -> None:
        self.catalog = catalog
        self._connection = connection

    @contextmanager
    def one_state(self) -> Iterator[None]:
        """All that is read of the catalog within is of one commit."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def copy(self, table: str) -> int:
        """Read every value of a table, keep what the checks need of it under its name, and return its rows.

        duckdb.Error if its files cannot be read.
        """
        ((count, _),) = self.rows(f"SELECT count(*), bit_xor(hash(t)) FROM vta.{table} AS t")
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {_COLUMNS.get(table, '*')} FROM vta.{table}"
        )
        return int(count)

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few thousand at a time."""
        result = self._connection.execute(sql)
        while chunk := result.fetchmany(_ROWS_A_FETCH):
            yield from chunk

    def version(self) -> int:
        """The number of the dataset's newest commit."""
        ((number,),) = self.rows(f"SELECT max(snapshot_id) FROM {METADATA}.ducklake_snapshot")
        return int(number)

    def identity(self) -> str:
        """What tells this catalog from all others, from its making on."""
        ((identity,),) = self.rows(f"SELECT schema_uuid::VARCHAR FROM {METADATA}.ducklake_schema WHERE schema_id = 0")
        return str(identity)

    def data_path(self) -> str:
        """Where the catalog says that the files of the tables lie."""
        ((path,),) = self.rows(DATA_PATH)
        return str(path)

    def shards(self) -> list[ShardRow]:
        """The rows of `shards`, by path."""
        return [ShardRow(*row) for row in self.rows(_SHARDS)]

    def named_shards(self) -> set[str]:
        """The paths of all shards that rows of `samples` name."""
        return {path for (path,) in self.rows("SELECT DISTINCT shard_path FROM samples")}

    def samples(self) -> Iterator[Placed]:
        """All samples, in the order of the shards' paths and of the bytes in them."""
        self._connection.execute(_PLACED)
        return (Placed(*row) for row in self.rows("FROM placed ORDER BY shard_path, offset_bytes, clip_id"))

    def table_files(self) -> Iterator[tuple[str, str, int | None]]:
        """(table, path, bytes) of every file of the tables that the catalog knows, live or waiting to be removed.

        Paths are relative to the tables' folder unless they are absolute; the bytes of the latter are None, and
        so is their table's name "".
        """
        joins = (
            f"JOIN {METADATA}.ducklake_table AS t USING (table_id) JOIN {METADATA}.ducklake_schema AS s "
            "ON s.schema_id = t.schema_id"
        )
        path = "CASE WHEN f.path_is_relative THEN s.path || t.path || f.path ELSE f.path END"
        live = "f.end_snapshot IS NULL"
        for table in ("ducklake_data_file", "ducklake_delete_file"):
            yield from self.rows(
                f"SELECT DISTINCT t.table_name, {path}, CASE WHEN {live} THEN f.file_size_bytes END "
                f"FROM {METADATA}.{table} AS f {joins}"
            )
        yield from self.rows(f"SELECT '', path, NULL FROM {METADATA}.ducklake_files_scheduled_for_deletion")


@contextmanager
def open_snapshot(place: Catalog) -> Iterator[Snapshot]:
    """The catalog, READ_ONLY. DatasetError if there is none, or none of this version.

    DuckDB keeps to 1 GB of memory and puts what does not fit into a temporary folder, not into the dataset.
    """
    with read_catalog(place) as connection, tempfile.TemporaryDirectory(prefix="vta-verify-") as spill:
        connection.execute(
            f"SET threads = 2; SET memory_limit = '{_MEMORY_LIMIT}'; SET temp_directory = {quoted(spill)}"
        )
        snapshot = Snapshot(place, connection)
        if snapshot.data_path() != place.data_path:
            # A dataset that was moved or copied is read where it is, not where its catalog says it was.
            connection.execute("USE memory; DETACH vta")
            here = f"READ_ONLY, DATA_PATH {quoted(place.data_path)}, OVERRIDE_DATA_PATH true"
            connection.execute(f"ATTACH {quoted(place.uri)} AS vta ({here})")
            connection.execute("USE vta")
        connection.execute("USE memory")  # a table's bare name is the copy's
        yield snapshot
