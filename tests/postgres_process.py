"""A real PostgreSQL on a unix socket in a folder of its own, without a port that anybody could find taken."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

INSTALL = "apt-get install postgresql"
USER = "postgres"


def _program(name: str) -> str | None:
    """The newest PostgreSQL's, as Debian keeps it, or the one on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name)


def missing() -> str | None:
    """What this machine lacks for running PostgreSQL, in words, or None."""
    if _program("initdb") is None or _program("postgres") is None:
        return f"PostgreSQL is not there ({INSTALL})"
    return None


def _as_postgres(*command: str | None) -> list[str]:
    """initdb refuses to run as root. The server goes with the process that started it, however that ends."""
    user = ["--reuid", USER, "--regid", USER, "--init-groups"] if os.getuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig", "INT", *(part for part in command if part)]


@dataclass
class PostgresProcess:
    """One server with its folder. It can be stopped, killed, and started again; its data stay until `remove`."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="vta-pg-")))  # a socket's path is short
    _process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it, the first time with a new cluster, and wait until it answers."""
        if not self.data.exists():
            if os.getuid() == 0:
                shutil.chown(self.folder, USER, USER)
            command = _as_postgres(
                _program("initdb"), "-D", str(self.data), "-U", USER, "-A", "trust", "-N", "-E", "UTF8", "--no-locale"
            )
            subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
        options = [f"-c{name}={value}" for name, value in self._options().items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                _as_postgres(_program("postgres"), "-D", str(self.data), *options),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        end_s = time.monotonic() + 60
        while self._query("postgres", "SELECT 1") != "1":
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end_s, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _options(self) -> dict[str, str]:
        # What is tested is what a client's end leaves behind, never a power cut of the server.
        return {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off"}

    def stop(self) -> None:
        """Shut it down: sessions are ended, what is committed stays. Safe to call twice."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As a crash would."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """Stop it and delete its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The connection string of a database that nobody else has."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.query("postgres", f"CREATE DATABASE {name}")
        return f"host={self.folder} user={USER} dbname={name}"

    def query(self, database: str, sql: str) -> str:
        """What psql prints, tuples only; fails if it does."""
        answer = self._psql(database, sql)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def end_sessions(self, catalog: str, *, only_lock: bool = False) -> None:
        """End all sessions with a catalog, or the lock's holder alone, and see them ended: as Postgres does by itself
        when it finds that a machine is gone. `catalog` is as `new_database` says it, with or without `postgres:`.
        """
        locks = " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')" if only_lock else ""
        ended = self.query(
            catalog.rpartition("dbname=")[2],
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
            f"WHERE datname = current_database() AND pid <> pg_backend_pid(){locks}",
        )
        assert int(ended) == 1 or not only_lock

    def _query(self, database: str, sql: str) -> str:
        return self._psql(database, sql).stdout.strip()

    def _psql(self, database: str, sql: str) -> subprocess.CompletedProcess[str]:
        command = [_program("psql") or "psql", "-h", str(self.folder), "-U", USER, "-d", database, "-XAtqc", sql]
        return subprocess.run(command, capture_output=True, text=True, check=False)
