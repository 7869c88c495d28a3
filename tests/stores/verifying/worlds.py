"""A real dataset, made by the real store, to be damaged: sealed and open shards in two layouts and two splits."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.stores.lakes import Logs, dataset, dead, done, embedded, rejected, settings
from vta_stream.settings.work import StoreSettings
from vta_stream.stores.catalog import Catalog
from vta_stream.stores.lake import Lake
from vta_stream.stores.verifying import check

STORE: dict[str, Any] = {"shard_samples_max": 2, "val_share": 0.5}
"""Shards of two samples; with these IDs vid-a and vid-e are in train, and vid-b is in val."""


def records(folder: Path) -> list[object]:
    """Two videos with accepted and rejected clips, one that failed, one without clips, one still under way."""
    made: list[object] = [embedded(folder, "vid-a", index, 4) for index in range(3)]
    made += [rejected("vid-a", 3, 4), done(folder, "vid-a", 4)]
    made += [embedded(folder, "vid-b", index, 4) for index in range(3)]
    made += [dead("score", "vid-b", rejected("vid-b", 3, 4).clip_id, 1), done(folder, "vid-b", 4)]
    made += [dead("download", "vid-c", None, 2), done(folder, "vid-d", 0, reason="no_speech")]
    made += [embedded(folder, "vid-e", 0, 2), done(folder, "vid-e", 2)]
    return made


@functools.cache
def template() -> Path:
    """The data folder with the dataset, written in two commits; made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="vta-verify-"))
    lake = dataset(folder, **STORE)
    lake.open()
    deliveries = Logs().deliver(*records(folder))
    for part in (deliveries[:7], deliveries[7:]):
        assert lake.commit(part).failures == {}
    lake.close()
    return folder


def forget_template() -> None:
    """Remove it; for the end of a test process."""
    if template.cache_info().currsize:
        shutil.rmtree(template())
        template.cache_clear()


def copied(folder: Path) -> Path:
    """A copy of the data folder's dataset at `folder`, as if it had been written there."""
    target = settings(folder).dataset_dir
    shutil.copytree(settings(template()).dataset_dir, target)
    with opened(target) as lake:
        lake.correct_data_path()  # as a writer's start does
    return target


@contextmanager
def opened(dataset_dir: Path) -> Iterator[Lake]:
    """The lake as the writer has it."""
    lake = Lake(Catalog.of(dataset_dir, StoreSettings()))
    try:
        yield lake
    finally:
        lake.close()


def run_sql(dataset_dir: Path, *statements: str) -> None:
    """Change rows behind the store's back."""
    with opened(dataset_dir) as lake:
        for statement in statements:
            with lake.transaction():
                lake.execute(statement)


def found(dataset_dir: Path) -> list[tuple[str, str]]:
    """Kind and place of what is wrong."""
    return [(finding.kind, finding.place) for finding in check(dataset_dir).findings]
