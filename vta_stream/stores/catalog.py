"""Where a dataset's catalog and files are, and how DuckDB comes to them with what came with the package."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.ports import StageError, TerminalError, TransientError
from vta_stream.settings.work import S3Settings, StoreSettings
from vta_stream.stores.bucket import NO_KEYS, Bucket

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES_FOLDER = "tables"
_MEMORY_LIMIT = "1GB"
METADATA = "__ducklake_metadata_vta"
"""The schema in which DuckLake shows the catalog's own tables."""
DATA_PATH = f"SELECT value FROM {METADATA}.ducklake_metadata WHERE key = 'data_path'"
"""Where the catalog says that the tables' files lie."""
_ONE_STATE = "SET GLOBAL sqlite_disable_multithreaded_scans = true"
"""Makes a reader's transaction see one state of an SQLite catalog.

Without it, and with more than one thread, DuckDB's SQLite scanner reads each table over a new connection: in a later
state than the transaction's, but only up to the last row that the transaction saw. A merge deletes the old files' rows
and puts those of the new ones behind the last, so a reader finds neither. GLOBAL, for DuckLake asks over a connection
of its own.
"""
_BUSY_TIMEOUT_MS = 10_000
_BUSY = ("database is locked", "conflict", "could not serialize", "deadlock detected")
_UNREACHABLE = (
    "disk i/o error", "unable to open database file", "failed to commit", "failed to execute query",
    "failed to prepare copy",  # a server of the catalog that ends while its rows are read
)  # fmt: skip
_FULL = ("no space left", "file too large", "database or disk is full", "disk quota exceeded", "out of disk")
# Without these a client of a server that vanished waits for hours.
_PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class Catalog:
    """Where a dataset's catalog lies, `sqlite:FILE` (relative to the dataset) or `postgres:CONNECTION`, and its files.

    The tables' files are in the dataset's folder, or in a bucket.
    """

    def __init__(self, dataset_dir: Path, catalog: str, s3: S3Settings | None = None) -> None:
        self.dataset_dir = dataset_dir.resolve()
        kind, _, rest = catalog.partition(":")
        if kind not in ("sqlite", "postgres") or not rest:
            raise TerminalError(
                "catalog_setting", f"store.catalog: {catalog!r} is neither sqlite:FILE nor postgres:CONNECTION STRING"
            )
        self.kind = kind
        self.file = self.dataset_dir / rest if kind == "sqlite" else None
        self.conninfo = _patient(rest) if kind == "postgres" else None
        self.bucket = Bucket(s3) if s3 and s3.url else None
        self.uri = f"ducklake:sqlite:{self.file}" if self.file else f"ducklake:postgres:{rest}"

    @classmethod
    def of(cls, dataset_dir: Path, settings: StoreSettings) -> Catalog:
        """The one that the settings say."""
        return cls(dataset_dir, settings.catalog, settings.s3)

    @property
    def extensions(self) -> tuple[str, ...]:
        """The DuckDB extensions that it takes."""
        scanner = "sqlite_scanner" if self.file else "postgres_scanner"
        return (scanner, "ducklake", "httpfs") if self.bucket else (scanner, "ducklake")

    @property
    def tables_dir(self) -> Path:
        """Where the Parquet files lie, if not in a bucket."""
        return self.dataset_dir / TABLES_FOLDER

    @property
    def data_path(self) -> str:
        """Where the Parquet files lie, as DuckLake writes it."""
        return f"{self.bucket.url}/{TABLES_FOLDER}/" if self.bucket else f"{self.tables_dir}/"

    def attach_statement(self) -> str:
        """The SQL that attaches it as `vta`, read-only: what any DuckDB process may type.

        It may be several statements: for a bucket the first has the names of the keys in the keys' places, and for
        SQLite the last makes the process see one state of the catalog at a time.
        """
        secret = f"{self.bucket.secret_statement(NO_KEYS)}; " if self.bucket else ""
        # Behind ATTACH, which loads the extension that knows the setting.
        one_state = f"; {_ONE_STATE}" if self.file else ""
        return f"{secret}ATTACH {quoted(self.uri)} AS vta (READ_ONLY){one_state}"

    def attach(self, connection: DuckDBPyConnection, *, read_only: bool) -> None:
        """Attach it as `vta`, the connection's default database."""
        if self.bucket:
            self.bucket.open_to(connection)
        uri = f"ducklake:postgres:{self.conninfo}" if self.conninfo else self.uri
        options = ["READ_ONLY"]
        if not read_only:
            # DATA_INLINING_ROW_LIMIT 0: inlined rows are not safe yet (ducklake #1364).
            # OVERRIDE_DATA_PATH: the files may have been moved since; the writer then corrects what the catalog says.
            options = [f"DATA_PATH {quoted(self.data_path)}", "OVERRIDE_DATA_PATH true", "DATA_INLINING_ROW_LIMIT 0"]
        if self.file and not read_only:
            # Without the write-ahead log readers and the writer lock each other out.
            options += ["META_JOURNAL_MODE 'WAL'", f"META_BUSY_TIMEOUT {_BUSY_TIMEOUT_MS}"]
        if self.file and read_only:
            connection.execute(_ONE_STATE)
        connection.execute(f"ATTACH {quoted(uri)} AS vta ({', '.join(options)})")
        connection.execute("USE vta")


def _patient(conninfo: str) -> str:
    """The connection string with our time-outs beneath the user's own; TerminalError for one with a password."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = conninfo_to_dict(conninfo)
    except ProgrammingError as error:
        raise TerminalError("catalog_setting", f"store.catalog is no connection string of Postgres: {error}") from None
    if given.pop("password", None):
        raise TerminalError(
            "catalog_setting",
            "store.catalog has a password in it, which would be shown wherever the catalog is named: take it out, and "
            "give it by PGPASSWORD or in ~/.pgpass",
        )
    return make_conninfo("", **{**_PATIENCE, **given})


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


_checked: set[Path] = set()
"""Extension files whose signatures DuckDB has checked in this process, and whose code is in its memory since.

To check them again tells nothing of that code, and costs 0.4 s of CPU for the two of a dataset in a folder: both files,
35 MB each, are hashed whole.
"""


def connect(catalog: Catalog, *, read_only: bool) -> DuckDBPyConnection:
    """A DuckDB connection whose default database is the dataset, `vta`. Nothing is downloaded."""
    import duckdb

    files = [extension_file(name) for name in catalog.extensions]
    checked = _checked.issuperset(files)
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "allow_unsigned_extensions": checked})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if not read_only:
            spill = quoted(str(catalog.dataset_dir / "tmp"))
            connection.execute(f"SET threads = 2; SET memory_limit = '{_MEMORY_LIMIT}'; SET temp_directory = {spill}")
        for file in files:
            connection.execute(f"LOAD {quoted(str(file))}")
        if checked:
            connection.execute("SET allow_unsigned_extensions = false")
        _checked.update(files)
        catalog.attach(connection, read_only=read_only)
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
