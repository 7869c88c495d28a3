"""What a repair works with: the lock that keeps writers out, the open lake, and a place for what it takes away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from vta_stream.stores.catalog import Catalog
from vta_stream.stores.files import sync_folder
from vta_stream.stores.lake import Lake
from vta_stream.stores.schema import migrate
from vta_stream.stores.shards import ShardRow
from vta_stream.stores.writer_lock import WriterLock

QUARANTINE = "quarantine"

_SHARDS = """SELECT shard_path, layout, split, shard_index, state, sample_count, data_bytes,
epoch(opened_at), epoch(sealed_at) FROM shards"""


@dataclass
class Bench:
    """An open lake under the writer's lock. `done` gathers a sentence for each thing that was mended."""

    dataset_dir: Path
    lake: Lake
    now_s: float = field(default_factory=time.time)
    done: list[str] = field(default_factory=list)

    def shards(self) -> dict[str, ShardRow]:
        """The rows of `shards`, by path."""
        return {row[0]: ShardRow(*row) for row in self.lake.rows(_SHARDS)}

    def put_aside(self, name: str) -> Path:
        """Move a file of the dataset into `quarantine/<time of this repair>/`, and return where it is now."""
        target = self.aside(name)
        source = self.dataset_dir / name
        source.rename(target)
        sync_folder(target.parent)
        sync_folder(source.parent)
        return target

    def aside(self, name: str) -> Path:
        """A new file's path in quarantine, its folder made."""
        moment = datetime.fromtimestamp(self.now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
        target = self.dataset_dir / QUARANTINE / moment / name
        target.parent.mkdir(parents=True, exist_ok=True)
        number = 0
        while target.exists():
            number += 1
            target = target.with_name(f"{Path(name).name}.{number}")
        return target


@contextmanager
def writers_kept_out(catalog: Catalog) -> Iterator[None]:
    """Hold the writer's locks within the block; TerminalError `second_writer` if a worker writes, on any machine."""
    lock = WriterLock(catalog.dataset_dir, catalog.conninfo)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def open_bench(catalog: Catalog) -> Iterator[Bench]:
    """The lake, open to be written. To be used while writers are kept out."""
    lake = Lake(catalog)
    try:
        migrate(lake)
        yield Bench(catalog.dataset_dir, lake)
    finally:
        lake.close()
