"""Shards in the dataset's folder: files that grow over many commits, and get their final name when they are full."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from vta_stream.domain.sample import Split
from vta_stream.failpoints import hit
from vta_stream.stores.shard_set import write_splits
from vta_stream.stores.shards import SHARD_FILE, SHARDS_FOLDER, Layout, OpenShard, ShardRow, seal

log = logging.getLogger(__name__)


class FolderSink:
    """`ShardSink` on a local folder."""

    keeps_open = True

    def __init__(self, dataset_dir: Path) -> None:
        self._dir = dataset_dir

    def recover(self, rows: Sequence[ShardRow], writer: int) -> list[OpenShard]:
        """Cut open shards back to their committed bytes, finish sealed ones, remove the unknown."""
        on_disk = self._files()
        known = {row.shard_path for row in rows}
        for name in on_disk:
            if name.removesuffix(".part") not in known:
                log.warning("%s is unknown to the catalog and is removed", name)
                (self._dir / name).unlink()
        going_on = []
        for row in rows:
            shard = OpenShard(self._dir, row)
            if row.state == "open":
                shard.truncate()
                going_on.append(shard)
                hit("store.recovering")
            elif f"{row.shard_path}.part" in on_disk:
                seal(shard)
            elif row.shard_path not in on_disk:
                log.error("the sealed shard %s is not there (moved away?); its rows still name it", row.shard_path)
        return going_on

    def _files(self) -> set[str]:
        folder = self._dir / SHARDS_FOLDER
        paths = (path for path in folder.glob("*/*/shard-*") if SHARD_FILE.fullmatch(path.name))
        return {str(path.relative_to(self._dir)) for path in paths}

    def new(self, layout: Layout, split: Split, index: int, now_s: float) -> OpenShard:
        """An empty shard, whose file is made with the first sample."""
        return OpenShard.new(self._dir, layout, split, index, now_s)

    def persist(self, shard: OpenShard) -> None:
        """Force what was appended to the disk."""
        shard.sync()

    def seal(self, shard: OpenShard) -> None:
        """End, sync, rename."""
        seal(shard)

    def write_splits(self, rows: Sequence[ShardRow]) -> None:
        """Replace each file in one piece."""
        write_splits(self._dir, rows)

    def collect_orphans(self, rows: Sequence[ShardRow]) -> int:
        """None: the lock on the folder keeps every other writer out."""
        return 0
