"""One writer a dataset, kept by the kernel and, for a catalog that other machines reach, by Postgres.

Either lock ends with the process, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vta_stream.ports import TerminalError
from vta_stream.stores.session_lock import SessionLock


class WriterLock:
    """An exclusive `flock` on `<dataset>/writer.lock`; the file holds the process id of the last writer.

    With `conninfo`, a lock of that Postgres database as well.
    """

    def __init__(self, folder: Path, conninfo: str | None = None) -> None:
        self._path = folder / "writer.lock"
        self._descriptor: int | None = None
        self._session = SessionLock(conninfo) if conninfo else None

    def acquire(self) -> None:
        """Take the lock; TerminalError `second_writer` if another process (or another object here) has it."""
        self._acquire_file()
        if self._session is not None:
            try:
                self._session.acquire()
            except BaseException:
                self.release()
                raise

    def hold(self) -> bool:
        """True if the lock was held all the time, False if it was lost and taken anew; then recover.

        TransientError `writer_fenced` if another writer has it now.
        """
        return self._session is None or self._session.hold()

    def _acquire_file(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise TerminalError(
                "second_writer",
                f"{self._path.parent} is being written by process {holder}, and a dataset has one writer: "
                "stop that worker, or leave `store` out of this one's --agents",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; safe to call twice. The file stays: removing it would let two writers in."""
        if self._session is not None:
            self._session.release()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
