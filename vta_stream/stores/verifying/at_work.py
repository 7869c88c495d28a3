"""Does anybody write to the dataset just now, on this machine or another?"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vta_stream.ports import TransientError
from vta_stream.stores.catalog import Catalog
from vta_stream.stores.reader import DatasetError
from vta_stream.stores.session_lock import SessionLock


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
    """Looked at, not taken: a writer that starts in this moment must not be refused for it."""
    try:
        return SessionLock(conninfo).holders() != ""
    except TransientError as error:
        raise DatasetError(str(error)) from error
