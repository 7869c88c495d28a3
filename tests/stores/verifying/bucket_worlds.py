"""A real dataset in a bucket of a real S3 server, to be damaged: ten sealed shards in two layouts and two splits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.s3_process import S3Process
from tests.stores import lakes
from tests.stores.backends import Backend
from tests.stores.lakes import Logs
from tests.stores.verifying.worlds import STORE, records
from vta_stream.settings import Settings
from vta_stream.stores.bucket import Bucket
from vta_stream.stores.catalog import Catalog
from vta_stream.stores.lake import Lake
from vta_stream.stores.verifying import Repaired, Report, check, repair


@dataclass(frozen=True)
class Stored:
    """A dataset wherever it is; keys are relative to its files' place."""

    place: Backend

    @property
    def settings(self) -> Settings:
        return lakes.settings(self.place.folder, **self.place.store)

    @property
    def folder(self) -> Path:
        """What is on this machine."""
        return self.settings.dataset_dir

    @property
    def bucket(self) -> Bucket:
        return self.place.bucket

    def check(self) -> Report:
        return check(self.folder, self.settings.store)

    def repair(self, *, drop_lost: bool = False) -> Repaired:
        return repair(self.folder, self.settings.store, drop_lost=drop_lost)

    def found(self) -> list[tuple[str, str]]:
        return [(finding.kind, finding.place) for finding in self.check().findings]

    def read(self, key: str) -> bytes:
        content = self.bucket.get(key)
        assert content is not None, f"{key} is not there"
        return content

    def keys(self, folder: str) -> set[str]:
        return {key for key, _ in self.bucket.objects(folder)}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.place.rows(sql)

    def run_sql(self, *statements: str) -> None:
        """Change rows behind the store's back."""
        lake = Lake(Catalog.of(self.folder, self.settings.store))
        try:
            for statement in statements:
                with lake.transaction():
                    lake.execute(statement)
        finally:
            lake.close()

    def commit_more(self) -> None:
        """A writer comes and adds a clip, two samples."""
        lake, logs = self.place.dataset(), Logs()
        logs.next["clips.embedded"] = 1000
        lake.open()
        assert lake.commit(logs.deliver(lakes.embedded(self.place.folder, "vid-new"))).failures == {}
        lake.close()

    def correct_data_path(self) -> None:
        """As a writer's start does."""
        lake = Lake(Catalog.of(self.folder, self.settings.store))
        lake.correct_data_path()
        lake.close()


def fill(place: Backend) -> Stored:
    """Write the dataset into a place, in two commits."""
    lake = place.dataset(**STORE)
    lake.open()
    deliveries = Logs().deliver(*records(place.folder))
    for part in (deliveries[:7], deliveries[7:]):
        assert lake.commit(part).failures == {}
    lake.close()
    return Stored(place)


def copy_to(template: Stored, folder: Path, s3: S3Process) -> Stored:
    """A copy of catalog and objects; its catalog still says that the files are where the template's are."""
    copy = Backend(folder).put_files(s3)
    assert copy.root is not None
    assert template.place.root is not None
    shutil.copytree(template.place.root, copy.root)
    shutil.copytree(template.folder, Stored(copy).folder)
    return Stored(copy)
