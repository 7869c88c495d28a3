"""One writer a Postgres catalog, kept by Postgres: the lock ends with the session, and so with its process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vta_stream.ports import TerminalError, TransientError
from vta_stream.stores.fence import holder_name

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

_KEY = int.from_bytes(b"vta_strm", "big")
"""Advisory locks are numbers of a database, and a database holds one catalog."""
_OURS = f"locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = {_KEY} AND objsubid = 1"
_HELD = f"SELECT 1 FROM pg_locks WHERE {_OURS} AND pid = pg_backend_pid()"
_HOLDERS = (
    "SELECT application_name, pid, backend_start::timestamp(0)::text FROM pg_locks JOIN pg_stat_activity USING (pid) "
    f"WHERE {_OURS} AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_PATIENCE = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")
"""So that the server notices within half a minute that the holder's machine has gone."""
_TRIES = 5


class SessionLock:
    """An advisory lock of Postgres on a connection of its own. Used from one thread.

    It says who may write; that a writer whose session was ended cannot commit any more is the fence's business.
    A pooler between has to pool by session, because the lock belongs to one.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None

    def acquire(self) -> None:
        """Take the lock; TerminalError `second_writer` if another session has it."""
        if holders := self._take():
            raise TerminalError(
                "second_writer",
                f"this dataset is being written by {holders}, and a dataset has one writer: stop that worker, "
                "or leave `store` out of this one's --agents. If its machine is gone, its session ends within a "
                "minute, or at once with: SELECT pg_terminate_backend(PID)",
            )

    def hold(self) -> bool:
        """True if the lock was held all the time; False if its session had ended and it was taken anew.

        TransientError `writer_fenced` if another has it meanwhile, `catalog_io` if Postgres does not answer.
        """
        if self._connection is not None and self._is_held(self._connection):
            return True
        log.warning("the session that held the dataset's lock has ended (Postgres was restarted?): it is taken anew")
        self._close()
        if holders := self._take():
            raise TransientError(
                "writer_fenced",
                f"this dataset is being written by {holders} since this worker's session ended: stop one of "
                "the two; if the other ends, this one goes on by itself",
            )
        return False

    def _take(self) -> str:
        """Take the lock, or say who has it. If nobody has it when we look who does, it is free: so ask again."""
        for _ in range(_TRIES):
            if self._try():
                return ""
            if holders := self.holders():
                return holders
        return "one session after the other"

    def _try(self) -> bool:
        import psycopg

        try:
            connection = psycopg.connect(self._conninfo, autocommit=True, application_name=holder_name())
        except psycopg.OperationalError as error:
            raise _unreachable(error) from error
        try:
            for setting in _PATIENCE:
                connection.execute(f"SET {setting}")
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_KEY]).fetchone()
        except psycopg.Error as error:
            connection.close()
            raise _unreachable(error) from error
        if not row or not row[0]:
            connection.close()
            return False
        self._connection = connection
        return True

    def _is_held(self, connection: Connection) -> bool:
        import psycopg

        try:
            return connection.execute(_HELD).fetchone() is not None
        except psycopg.Error as error:
            log.warning("the session that holds the dataset's lock does not answer: %s", str(error).strip())
            return False

    def holders(self) -> str:
        """Who holds the lock, for a person; empty if nobody does. Looks, and takes nothing."""
        import psycopg

        try:
            with psycopg.connect(self._conninfo) as connection:
                found = connection.execute(_HOLDERS).fetchall()
        except psycopg.Error as error:
            raise _unreachable(error) from error
        return "; ".join(f"{name} (PID {pid} in Postgres, since {since})" for name, pid, since in found)

    def release(self) -> None:
        """Give the lock back; safe to call twice. When it returns the lock is free, if Postgres still answers."""
        import psycopg

        if self._connection is None:
            return
        try:
            # Closing would do, but the server ends a session in its own time, and would name a holder until then.
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        except psycopg.Error as error:
            log.warning("the dataset's lock was not given back, its session has ended: %s", str(error).strip())
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _unreachable(error: Exception) -> TransientError:
    return TransientError("catalog_io", f"the catalog in Postgres does not answer: {str(error).strip()}")
