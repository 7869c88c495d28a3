"""What a repair works with: the lock that keeps writers out, the open lake, and a place for what it takes away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from vta_stream.ports import TerminalError
from vta_stream.stores.catalog import Catalog
from vta_stream.stores.claim import claim
from vta_stream.stores.fence import Fence
from vta_stream.stores.lake import Lake
from vta_stream.stores.schema import migrate
from vta_stream.stores.shards import ShardRow
from vta_stream.stores.verifying.homes import FolderHome, Home
from vta_stream.stores.verifying.leftovers import WORK_FOLDERS
from vta_stream.stores.writer_lock import WriterLock

QUARANTINE = "quarantine"

_SHARDS = """SELECT shard_path, layout, split, shard_index, state, sample_count, data_bytes,
epoch(opened_at), epoch(sealed_at) FROM shards"""


@dataclass
class Bench:
    """An open lake under the writer's lock, with this repair's number.

    `done` gathers a sentence for each thing that was mended, and `left` one for each that could not be.
    """

    dataset_dir: Path
    home: Home
    lake: Lake
    fence: Fence
    now_s: float = field(default_factory=time.time)
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction, by the writer with the highest number only; TransientError `writer_fenced` else."""
        with self.lake.transaction():
            self.fence.hold(self.lake, self.now_s)
            yield

    def shards(self) -> dict[str, ShardRow]:
        """The rows of `shards`, by path."""
        return {row[0]: ShardRow(*row) for row in self.lake.rows(_SHARDS)}

    def put_aside(self, name: str) -> str | None:
        """Move a file of the dataset into `quarantine/<time of this repair>/` of the place where it lies.

        Returns what it is called now; None if it cannot be moved, which is then in `left`.
        """
        home = FolderHome(self.dataset_dir) if name.partition("/")[0] in WORK_FOLDERS else self.home
        target = self._free(home, name)
        try:
            home.move(name, target)
        except TerminalError as error:
            self.left.append(f"{name}: not moved to quarantine/: {error}")
            return None
        return home.shown(target)

    def aside(self, name: str) -> Path:
        """A new file's path in the folder's quarantine, its own folder made."""
        target = self.dataset_dir / self._free(FolderHome(self.dataset_dir), name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _free(self, home: Home, name: str) -> str:
        moment = datetime.fromtimestamp(self.now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
        wanted = target = f"{QUARANTINE}/{moment}/{name}"
        number = 0
        while home.size_bytes(target) is not None:
            number += 1
            target = f"{wanted}.{number}"
        return target


@contextmanager
def writers_kept_out(catalog: Catalog) -> Iterator[WriterLock]:
    """Hold the writer's locks within the block; TerminalError `second_writer` if a worker writes, on any machine."""
    catalog.dataset_dir.mkdir(parents=True, exist_ok=True)
    lock = WriterLock(catalog.dataset_dir, catalog.conninfo)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def take_over(catalog: Catalog) -> Fence:
    """Take a number as a writer does, where a lock is not enough; what a check finds from then on stays so.

    Whoever wrote before can commit nothing any more, even if it is only paused and wakes up later. TerminalError
    `wrong_place` or `place_taken` if the files' place is not this catalog's.
    """
    fence = Fence(needed=bool(catalog.bucket or catalog.conninfo))
    if fence.needed:
        lake = Lake(catalog)
        try:
            claim(lake)
            migrate(lake)
            fence.take(lake, time.time())
        finally:
            lake.close()
    return fence


@contextmanager
def open_bench(catalog: Catalog, home: Home, fence: Fence) -> Iterator[Bench]:
    """The lake, open to be written. To be used while writers are kept out.

    TransientError `writer_fenced` if one came in nevertheless since the number was taken: then nothing that was
    checked since holds.
    """
    lake = Lake(catalog)
    try:
        migrate(lake)
        bench = Bench(catalog.dataset_dir, home, lake, fence)
        if fence.needed:
            with bench.transaction():
                pass
        yield bench
    finally:
        lake.close()
