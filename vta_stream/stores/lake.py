"""DuckLake as the writer uses it: transactions, lookups and inserts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vta_stream.failpoints import hit
from vta_stream.stores.catalog import DATA_PATH, METADATA, Catalog, connect, quoted
from vta_stream.stores.files import sync_file, sync_folder


class Lake:
    """The writer's connection. To be used from one thread."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._connection = connect(catalog, read_only=False)
        self._schemas: dict[str, Any] = {}
        self._synced = self._files()

    def tables(self) -> set[str]:
        """The names of the dataset's tables; none in a new catalog."""
        listed = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'vta' AND NOT internal"
        return {name for (name,) in self.rows(listed)}

    def identity(self) -> str:
        """What tells this catalog from all others, from its making on."""
        ((identity,),) = self.rows(f"SELECT schema_uuid::VARCHAR FROM {METADATA}.ducklake_schema WHERE schema_id = 0")
        return str(identity)

    def data_path(self) -> str:
        """Where the catalog says that the tables' files lie."""
        ((path,),) = self.rows(DATA_PATH)
        return str(path)

    def correct_data_path(self) -> None:
        """Readers take the path from the catalog, so a dataset that was moved has to say where it is now."""
        if self.data_path() != self.catalog.data_path:
            wanted = quoted(self.catalog.data_path)
            self.execute(f"UPDATE {METADATA}.ducklake_metadata SET value = {wanted} WHERE key = 'data_path'")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _files(self) -> set[Path]:
        return set() if self.catalog.bucket else set(self.catalog.tables_dir.glob("*/*/*.parquet"))

    def _sync_files(self) -> None:
        """Force new Parquet files to the disk: DuckDB does not, so a power cut could take what a commit names."""
        files = self._files()
        new = files - self._synced
        for file in new:
            sync_file(file)
        for folder in {file.parent for file in new}:
            sync_folder(folder)
        self._synced = files

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction: committed at the end of the block, rolled back on any exception out of it."""
        self.execute("BEGIN")
        try:
            yield
            self._sync_files()
            hit("store.inserted")
            self.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        import duckdb

        try:
            self.execute("ROLLBACK")
        except duckdb.TransactionException:  # a failed COMMIT has ended the transaction by itself
            return

    # No statement has parameters: DuckDB imports pandas to look at them, if there is one (2 s, 60 MB).

    def execute(self, sql: str) -> None:
        """Run a statement and drop its result."""
        self._connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The result's rows."""
        return self._connection.execute(sql).fetchall()

    def records(self, sql: str) -> list[dict[str, Any]]:
        """The result's rows by column name; a map is a list of pairs."""
        # By way of Arrow: DuckDB's own conversion of TIMESTAMPTZ wants pytz, and makes maps dicts.
        records: list[dict[str, Any]] = self._connection.execute(sql).to_arrow_table().to_pylist()
        return records

    @contextmanager
    def lookup(self, name: str, rows: Sequence[Mapping[str, object]]) -> Iterator[None]:
        """Within the block, a query may join `name`: a table of these rows (at least one)."""
        import pyarrow as pa

        with self._registered(name, pa.Table.from_pylist([clean(row) for row in rows])):
            yield

    @contextmanager
    def _registered(self, name: str, table: Any) -> Iterator[None]:
        # `unregister` says nothing where its DROP fails, as in a transaction that an error has cut off. What is left
        # then would be in the way of every later batch, as `register` does not replace what it has forgotten.
        self.execute(f"DROP VIEW IF EXISTS temp.{name}")
        self._connection.register(name, table)
        try:
            yield
        finally:
            self._connection.unregister(name)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows (by column name) to a table; none is no work. Types are the table's, so nothing is guessed."""
        if not rows:
            return
        import pyarrow as pa

        if table not in self._schemas:
            self._schemas[table] = self._connection.execute(f"SELECT * FROM {table} LIMIT 0").to_arrow_table().schema
        batch = pa.Table.from_pylist([clean(row) for row in rows], schema=self._schemas[table])
        with self._registered("incoming_rows", batch):
            self.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming_rows")


def clean(value: Any) -> Any:
    """`value` without what a column cannot hold: U+0000 becomes U+2400.

    DuckLake keeps each column's least and greatest text in its catalog, and a query over a file whose
    statistics hold U+0000 fails from then on. Lone surrogates become question marks.
    """
    if isinstance(value, str):
        return value.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {name: clean(inner) for name, inner in value.items()}
    if isinstance(value, tuple):  # Arrow wants the pairs of a map to be tuples
        return tuple(clean(inner) for inner in value)
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    return value
