"""Shards in a bucket: built on this machine, uploaded whole, named only once. See `shard_sink`."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from vta_stream.domain.sample import Split
from vta_stream.failpoints import hit
from vta_stream.stores.bucket import Bucket
from vta_stream.stores.shard_set import splits_csv
from vta_stream.stores.shards import SHARDS_FOLDER, Layout, OpenShard, ShardRow

log = logging.getLogger(__name__)

_SHARD = re.compile(rf"{SHARDS_FOLDER}/[a-z-]+/[a-z]+/shard-\d+-(\d+)\.tar")
_KEYS_A_REQUEST = 1000


class BucketSink:
    """`ShardSink` on a bucket. `staging_dir` holds the shards that grow; nothing in it is needed after a crash."""

    keeps_open = False

    def __init__(self, bucket: Bucket, staging_dir: Path) -> None:
        self._bucket = bucket
        self._staging = staging_dir
        self._writer = 0
        self._uploaded: set[str] = set()
        self._splits: dict[str, bytes] = {}

    def recover(self, rows: Sequence[ShardRow], writer: int) -> list[OpenShard]:
        """Empty the staging folder and remove orphans. No shard is ever open."""
        shutil.rmtree(self._staging, ignore_errors=True)
        self._staging.mkdir(parents=True, exist_ok=True)
        self._writer = writer
        self._uploaded.clear()
        self.collect_orphans(rows)
        return []

    def collect_orphans(self, rows: Sequence[ShardRow]) -> int:
        """Remove the shards that the catalog does not know, but for those of a later writer."""
        sizes = {key: size for key, size in self._bucket.objects(SHARDS_FOLDER) if _SHARD.fullmatch(key)}
        known = {row.shard_path for row in rows}
        for path in known - sizes.keys():
            log.error("the shard %s is not in %s (moved away?); its rows still name it", path, self._bucket.url)
        orphans = sorted(key for key in sizes.keys() - known if self._may_remove(key))
        for start in range(0, len(orphans), _KEYS_A_REQUEST):
            self._bucket.delete(orphans[start : start + _KEYS_A_REQUEST])
            hit("store.recovering")
        if orphans:
            log.warning(
                "%d shards of unfinished commits were removed from %s: %s …", len(orphans), self._bucket.url, orphans[0]
            )
        return len(orphans)

    def _may_remove(self, key: str) -> bool:
        match = _SHARD.fullmatch(key)
        return match is not None and int(match[1]) <= self._writer

    def new(self, layout: Layout, split: Split, index: int, now_s: float) -> OpenShard:
        """An empty shard in the staging folder."""
        return OpenShard.new(self._staging, layout, split, index, now_s, self._writer)

    def persist(self, shard: OpenShard) -> None:
        """End the shard, upload it, and make room in the staging folder."""
        path = shard.row.shard_path
        if path in self._uploaded:
            return
        shard.end()
        hit("store.sealing")
        self._bucket.put_new(path, shard.part)
        hit("store.sealed")
        self._uploaded.add(path)
        shard.discard()

    def seal(self, shard: OpenShard) -> None:
        """Nothing: readers see it since it was uploaded, and the rows since the commit."""
        self._uploaded.discard(shard.row.shard_path)

    def write_splits(self, rows: Sequence[ShardRow]) -> None:
        """Replace each object, unless this writer put the same before."""
        for layout in {row.layout for row in rows}:
            content = splits_csv(layout, rows)
            if self._splits.get(layout) != content:
                hit("store.listing")
                self._bucket.put(f"{SHARDS_FOLDER}/{layout}/splits.csv", content)
                self._splits[layout] = content
