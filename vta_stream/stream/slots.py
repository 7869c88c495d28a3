"""The worker's name: stable over restarts, and held by one live process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import socket
from pathlib import Path

SLOTS_MAX = 1000


class WorkerError(Exception):
    """The worker cannot start, or must not go on; the text says why and what to do."""


class WorkerSlot:
    """A name, locked for as long as this object is open; the lock dies with the process."""

    def __init__(self, name: str, file: int) -> None:
        self.name = name
        self._file = file

    def release(self) -> None:
        """Give the name back. Safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def take_slot(state_dir: Path, name: str | None) -> WorkerSlot:
    """Lock `name`, or for None the first free one of `<host>-<state folder's digest>-<number>`.

    Raises WorkerError if a live process holds the name.
    """
    folder = state_dir / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    if name is not None:
        slot = _lock(folder, name)
        if slot is None:
            raise WorkerError(
                f"another live process is the worker {name!r} (process {_holder(folder, name)}); "
                "stop it, or give this one another worker.name"
            )
        return slot
    for number in range(SLOTS_MAX):
        slot = _lock(folder, f"{host_name()}-{fingerprint(state_dir)}-{number}")
        if slot is not None:
            return slot
    raise WorkerError(f"{SLOTS_MAX} workers hold all names in {folder}")


def fingerprint(state_dir: Path) -> str:
    """Four hex digits that tell the state folders of one machine apart, and machines too."""
    return hashlib.sha256(f"{socket.gethostname()}:{state_dir.resolve()}".encode()).hexdigest()[:4]


def _lock(folder: Path, name: str) -> WorkerSlot | None:
    file = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    return WorkerSlot(name, file)


def _holder(folder: Path, name: str) -> str:
    return (folder / f"{name}.lock").read_text(encoding="ascii", errors="replace").strip() or "unknown"


def host_name() -> str:
    """This machine's name as a part of file names and client ids: at most 40 of A-Z a-z 0-9 _ . -"""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:40] or "worker"
