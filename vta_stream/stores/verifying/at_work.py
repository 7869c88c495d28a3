"""Does anybody write to the dataset just now, on this machine or another?"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vta_stream.stores.catalog import Catalog
from vta_stream.stores.fence import holder_name
from vta_stream.stores.reader import DatasetError

_WRITERS = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND starts_with(application_name, %s) LIMIT 1"
)
"""Sessions of vta-stream with a lock on this database, which is a dataset's. Looked at, not taken: a writer that starts
in this moment must not be refused for it."""


def writer_at_work(catalog: Catalog) -> bool:
    """True if a process holds one of the dataset's writer locks. DatasetError if Postgres does not answer."""
    if _folder_is_held(catalog.dataset_dir):
        return True
    return catalog.conninfo is not None and _session_is_held(catalog.conninfo)


def _folder_is_held(dataset_dir: Path) -> bool:
    """Takes the lock, shared, for a moment to see."""
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


def _session_is_held(conninfo: str) -> bool:
    import psycopg

    ours = holder_name().partition(",")[0]
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            return connection.execute(_WRITERS, [ours]).fetchone() is not None
    except psycopg.Error as error:
        raise DatasetError(f"the catalog in Postgres does not answer: {str(error).strip()}") from error
