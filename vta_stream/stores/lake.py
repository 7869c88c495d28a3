"""DuckLake: opening it with what came with the package, transactions, and its errors in our words."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.failpoints import hit
from vta_stream.ports import StageError, TerminalError, TransientError
from vta_stream.stores.files import sync_file, sync_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES_FOLDER = "tables"
_MEMORY_LIMIT = "1GB"
_BUSY_TIMEOUT_MS = 10_000
_BUSY = ("database is locked", "conflict", "could not serialize", "deadlock detected")
_UNREACHABLE = ("disk i/o error", "unable to open database file")
_FULL = ("no space left", "file too large", "database or disk is full", "disk quota exceeded", "out of disk")


class Catalog:
    """Where a dataset's catalog lies: `sqlite:FILE` (relative to the dataset) or `postgres:CONNECTION`."""

    def __init__(self, dataset_dir: Path, catalog: str) -> None:
        self.dataset_dir = dataset_dir.resolve()
        kind, _, rest = catalog.partition(":")
        if kind not in ("sqlite", "postgres") or not rest:
            raise TerminalError(
                "catalog_setting", f"store.catalog: {catalog!r} is neither sqlite:FILE nor postgres:CONNECTION STRING"
            )
        self.kind = kind
        self.file = self.dataset_dir / rest if kind == "sqlite" else None
        self.uri = f"ducklake:sqlite:{self.file}" if self.file else f"ducklake:postgres:{rest}"

    @property
    def extensions(self) -> tuple[str, ...]:
        """The DuckDB extensions that it takes."""
        return ("sqlite_scanner" if self.file else "postgres_scanner", "ducklake")

    @property
    def tables_dir(self) -> Path:
        """Where the Parquet files lie."""
        return self.dataset_dir / TABLES_FOLDER

    @property
    def data_path(self) -> str:
        """`tables_dir` as DuckLake writes it."""
        return f"{self.tables_dir}/"

    def attach_statement(self, *, read_only: bool = True) -> str:
        """The SQL that attaches it as `vta`; with `read_only`, what any DuckDB process may type."""
        if read_only:
            return f"ATTACH {quoted(self.uri)} AS vta (READ_ONLY)"
        # DATA_INLINING_ROW_LIMIT 0: inlined rows are not safe yet (ducklake #1364).
        # OVERRIDE_DATA_PATH: the folder may have been moved since; `Lake` then corrects what the catalog says.
        options = [f"DATA_PATH {quoted(self.data_path)}", "OVERRIDE_DATA_PATH true", "DATA_INLINING_ROW_LIMIT 0"]
        if self.file:
            # Without the write-ahead log readers and the writer lock each other out.
            options += ["META_JOURNAL_MODE 'WAL'", f"META_BUSY_TIMEOUT {_BUSY_TIMEOUT_MS}"]
        return f"ATTACH {quoted(self.uri)} AS vta ({', '.join(options)})"


def quoted(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quoted_list(texts: Iterable[str]) -> str:
    """`texts` as SQL strings with commas between; for IN, which may not be empty."""
    return ", ".join(quoted(text) for text in texts)


def extension_file(name: str) -> Path:
    """The file of a DuckDB extension, out of its wheel; TerminalError `extension_missing` without the wheel.

    It is loaded by its path: that needs no network and no writable home, and it cannot clash with a copy
    that the user's own DuckDB has installed from elsewhere.
    """
    import duckdb

    package = f"duckdb_extension_{name}"
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.is_file():
            return file
    wheel = f"{package.replace('_', '-')}=={duckdb.__version__}"
    raise TerminalError("extension_missing", f"DuckDB's extension {name} is not there: pip install {wheel}")


def connect(catalog: Catalog, *, read_only: bool) -> DuckDBPyConnection:
    """A DuckDB connection whose default database is the dataset, `vta`. Nothing is downloaded."""
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if not read_only:
            spill = quoted(str(catalog.dataset_dir / "tmp"))
            connection.execute(f"SET threads = 2; SET memory_limit = '{_MEMORY_LIMIT}'; SET temp_directory = {spill}")
        for name in catalog.extensions:
            connection.execute(f"LOAD {quoted(str(extension_file(name)))}")
        connection.execute(catalog.attach_statement(read_only=read_only))
        connection.execute("USE vta")
    except duckdb.Error as error:
        connection.close()
        raise lake_error(error) or TerminalError(
            "catalog_unreadable", f"{catalog.uri} cannot be opened as a DuckLake catalog: {error}"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def lake_error(error: Exception) -> StageError | None:
    """DuckDB's error as one of ours if trying again can help (busy, disk full, input/output), else None."""
    import duckdb

    text = str(error)
    if any(words in text.lower() for words in _FULL):
        return TransientError("disk_full", f"no room left for the dataset: free some, it goes on by itself ({text})")
    if isinstance(error, duckdb.Error) and any(words in text.lower() for words in _BUSY):
        return TransientError("catalog_locked", f"somebody else holds the catalog: {text}")
    kinds = duckdb.IOException | duckdb.ConnectionException | duckdb.HTTPException
    if isinstance(error, kinds) or any(words in text.lower() for words in _UNREACHABLE):
        return TransientError("catalog_io", f"the dataset's files or catalog cannot be reached: {text}")
    return None


class Lake:
    """The writer's connection. To be used from one thread."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._connection = connect(catalog, read_only=False)
        self._correct_data_path()
        self._schemas: dict[str, Any] = {}
        self._synced = self._files()

    def _correct_data_path(self) -> None:
        # Readers take the path from the catalog, so a dataset that was moved has to say where it is now.
        table, wanted = "__ducklake_metadata_vta.ducklake_metadata", quoted(self.catalog.data_path)
        if self.rows(f"SELECT value FROM {table} WHERE key = 'data_path' AND value <> {wanted}"):
            self.execute(f"UPDATE {table} SET value = {wanted} WHERE key = 'data_path'")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _files(self) -> set[Path]:
        return set(self.catalog.tables_dir.glob("*/*/*.parquet"))

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

        self._connection.register(name, pa.Table.from_pylist([clean(row) for row in rows]))
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
        self._connection.register("incoming_rows", batch)
        try:
            self.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming_rows")
        finally:
            self._connection.unregister("incoming_rows")


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
