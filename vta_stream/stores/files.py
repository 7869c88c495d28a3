"""Files that survive a power cut, and the words for what the disk answers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from vta_stream.ports import DISK_FULL, TransientError

_FULL = {*DISK_FULL, errno.EFBIG}


def sync_file(path: Path) -> None:
    """Force the file's bytes to the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Force the folder's names to the disk: a new or renamed file is only there for good after this."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` under a temporary name, sync, and rename: readers see the old file or the new one."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


def disk_error(error: OSError, folder: Path) -> TransientError:
    """The disk's answer as an error that is tried again: `disk_full`, or `disk_error` for everything else."""
    if error.errno in _FULL:
        return TransientError("disk_full", f"no room left under {folder}: free some, it goes on by itself ({error})")
    return TransientError("disk_error", f"the disk under {folder} failed: {error}")
