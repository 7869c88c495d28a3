"""Where else a dataset may be: its catalog in a real PostgreSQL, its files in a real S3 server's bucket."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.postgres_process import PostgresProcess
from tests.s3_process import S3Process
from tests.stores import lakes
from vta_stream.stores.bucket import Bucket
from vta_stream.stores.dataset import LakeDataset

KINDS = ("postgres", "s3", "postgres+s3")


@dataclass
class Backend:
    """A place for one dataset; `folder` holds what is local."""

    folder: Path
    store: dict[str, Any] = field(default_factory=dict)
    root: Path | None = None
    """Where the shards are, if not in the dataset's folder."""

    def put_catalog(self, postgres: PostgresProcess) -> Backend:
        self.store["catalog"] = f"postgres:{postgres.new_database()}"
        return self

    def put_files(self, s3: S3Process) -> Backend:
        name = s3.new_bucket()
        self.store["s3"] = {"url": f"s3://{name}/a/set", "endpoint": s3.endpoint}
        self.root = s3.folder / "objects" / name / "a/set"
        return self

    def dataset(self, **store: Any) -> LakeDataset:
        return lakes.dataset(self.folder, **{**self.store, **store})

    @property
    def bucket(self) -> Bucket:
        return Bucket(lakes.settings(self.folder, **self.store).store.s3)

    @property
    def shards(self) -> set[str]:
        """The shards' files, relative to their root."""
        root = self.root or lakes.settings(self.folder).dataset_dir
        return {str(path.relative_to(root)) for path in root.glob("shards/*/*/*")}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return lakes.rows(self.folder, sql, **self.store)

    def state(self, *, shards: bool = True) -> dict[str, list[str]]:
        return lakes.state(self.folder, shards=shards, **self.store)

    def check_samples(self) -> int:
        return lakes.check_samples(self.folder, self.root, **self.store)
