"""A dataset whose files are in a bucket of a real S3 server, and whose catalog is in a real PostgreSQL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import postgres_process, s3_process
from tests.postgres_process import PostgresProcess
from tests.s3_process import KEYS, S3Process


def missing() -> str | None:
    """What this machine lacks for it, in words, or None."""
    return s3_process.missing() or postgres_process.missing()


@dataclass
class Elsewhere:
    """Both servers, and the dataset's place on each. Their data are outside of the small disk."""

    s3: S3Process
    postgres: PostgresProcess
    bucket: str = ""
    database: str = ""

    @classmethod
    def new(cls, folder: Path) -> Elsewhere:
        """Neither of them is started yet."""
        return cls(S3Process.new(folder / "s3"), PostgresProcess())

    def start(self) -> None:
        """Start both and make the place. The keys go into this process's environment, and so to the workers."""
        os.environ.update(KEYS)
        self.s3.start()
        self.bucket = self.s3.new_bucket()
        self.postgres.start()
        self.database = self.postgres.new_database()

    def settings(self) -> dict[str, Any]:
        """The group `store`."""
        return {
            "catalog": f"postgres:{self.database}",
            "s3": {"url": f"s3://{self.bucket}/set", "endpoint": self.s3.endpoint},
            # Each commit makes shards of its own here.
            "commit_wait_s": 1.0,
        }

    @property
    def files(self) -> Path:
        """Where the server keeps the objects."""
        return self.s3.folder / "objects" / self.bucket / "set"

    def lock_catalog(self, seconds: float) -> None:
        """Keep all others from reading and writing the catalog's snapshots. Blocking."""
        database = self.database.rpartition("dbname=")[2]
        sql = f"BEGIN; LOCK TABLE ducklake_snapshot IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds}); ROLLBACK"
        self.postgres.query(database, sql)

    def stop(self) -> None:
        """Stop both; the objects stay, the catalog goes. Safe to call if a start failed."""
        self.s3.stop()
        self.postgres.remove()
