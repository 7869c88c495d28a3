"""All shards of a dataset: which are open, what a commit did to them, and what a crash left behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream import metrics
from vta_stream.domain.sample import Sample, Split
from vta_stream.failpoints import hit
from vta_stream.settings.work import StoreSettings
from vta_stream.stores.catalog import quoted_list
from vta_stream.stores.files import replace_file
from vta_stream.stores.rows import shard_row
from vta_stream.stores.shards import (
    SHARD_FILE,
    SHARDS_FOLDER,
    Layout,
    OpenShard,
    Place,
    ShardRow,
    seal,
)

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

log = logging.getLogger(__name__)

_ROWS = """SELECT shard_path, layout, split, shard_index, state, sample_count, data_bytes,
epoch(opened_at), epoch(sealed_at) FROM shards"""


class ShardSet:
    """The open shards, one a layout and split, and the numbers of the next ones.

    A commit goes: `append` as often as needed, `sync`, `save` within the transaction, `committed` after it.
    Whatever goes wrong before the transaction is through: `recover`.
    """

    def __init__(self, dataset_dir: Path, settings: StoreSettings, clock: Callable[[], float] = time.time) -> None:
        self._dir = dataset_dir
        self._clock = clock
        self._settings = settings
        self._open: dict[tuple[str, str], OpenShard] = {}
        self._next_index: dict[tuple[str, str], int] = {}
        self._touched: dict[str, OpenShard] = {}
        self._full: set[str] = set()

    def recover(self, lake: Lake) -> None:
        """Make the files what the catalog says: cut open shards back, finish sealed ones, remove the unknown."""
        self.close()
        self._open.clear()
        self._next_index.clear()
        self._touched.clear()
        self._full.clear()
        rows = [ShardRow(*row) for row in lake.rows(_ROWS)]
        on_disk = self._files()
        known = {row.shard_path for row in rows}
        for name in on_disk:
            if name.removesuffix(".part") not in known:
                log.warning("%s is unknown to the catalog and is removed", name)
                (self._dir / name).unlink()
        for row in rows:
            slot = (row.layout, row.split)
            self._next_index[slot] = max(row.shard_index + 1, self._next_index.get(slot, 0))
            shard = OpenShard(self._dir, row)
            if row.state == "open":
                shard.truncate()
                self._open[slot] = shard
                hit("store.recovering")
            elif f"{row.shard_path}.part" in on_disk:
                seal(shard)
            elif row.shard_path not in on_disk:
                log.error("the sealed shard %s is not there (moved away?); its rows still name it", row.shard_path)
        write_splits(self._dir, rows)

    def _files(self) -> set[str]:
        folder = self._dir / SHARDS_FOLDER
        paths = (path for path in folder.glob("*/*/shard-*") if SHARD_FILE.fullmatch(path.name))
        return {str(path.relative_to(self._dir)) for path in paths}

    def append(self, layout: Layout, sample: Sample) -> Place:
        """Write a sample into the open shard of its layout and split; a full one makes room for the next."""
        slot = (layout, sample.split)
        shard = self._open.get(slot)
        if shard is None:
            shard = self._open[slot] = self._new(layout, sample.split)
        place = shard.append(sample)
        self._touched[place.shard_path] = shard
        if self._is_full(shard):
            self._full.add(place.shard_path)
            del self._open[slot]
        return place

    def _new(self, layout: Layout, split: Split) -> OpenShard:
        index = self._next_index.get((layout, split), 0)
        self._next_index[layout, split] = index + 1
        return OpenShard.new(self._dir, layout, split, index, self._clock())

    def _is_full(self, shard: OpenShard) -> bool:
        settings = self._settings
        return shard.sample_count >= settings.shard_samples_max or shard.data_bytes >= settings.shard_bytes_max

    def _overdue(self, now_s: float) -> list[tuple[tuple[str, str], OpenShard]]:
        limit_s = self._settings.shard_age_max_s
        return [
            (slot, shard)
            for slot, shard in self._open.items()
            if shard.sample_count and now_s - shard.row.opened_at_s >= limit_s
        ]

    def has_overdue(self, now_s: float) -> bool:
        """True if a shard has been open for as long as it may be."""
        return bool(self._overdue(now_s))

    def give_up_overdue(self, now_s: float) -> None:
        """Mark the shards that have been open for as long as they may be; the commit seals them."""
        for slot, shard in self._overdue(now_s):
            self._touched[shard.row.shard_path] = shard
            self._full.add(shard.row.shard_path)
            del self._open[slot]

    def sync(self) -> None:
        """Force what was appended to the disk."""
        for shard in self._touched.values():
            shard.sync()

    def save(self, lake: Lake) -> None:
        """Write the rows of the touched shards, within the caller's transaction."""
        if not self._touched:
            return
        lake.execute(f"DELETE FROM shards WHERE shard_path IN ({quoted_list(self._touched)})")
        lake.insert("shards", [shard_row(self._row(shard)) for shard in self._touched.values()])

    def _row(self, shard: OpenShard) -> ShardRow:
        sealed = shard.row.shard_path in self._full
        return replace(
            shard.row,
            state="sealed" if sealed else "open",
            sample_count=shard.sample_count,
            data_bytes=shard.data_bytes,
            sealed_at_s=self._clock() if sealed else None,
        )

    def committed(self, lake: Lake) -> None:
        """After the commit: what was appended is promised, and full shards are sealed."""
        touched, full = list(self._touched.values()), set(self._full)
        for shard in touched:
            row = self._row(shard)
            metrics.SHARD_BYTES.labels(row.layout).inc(row.data_bytes - shard.row.data_bytes)
            shard.row = row
        self._touched.clear()
        self._full.clear()
        for shard in touched:
            if shard.row.shard_path in full:
                seal(shard)
                metrics.SHARDS_SEALED.labels(shard.row.layout).inc()
        if full:
            write_splits(self._dir, [ShardRow(*row) for row in lake.rows(_ROWS)])

    def close(self) -> None:
        """Close the files."""
        for shard in (*self._open.values(), *self._touched.values()):
            shard.close()


def write_splits(dataset_dir: Path, rows: Sequence[ShardRow]) -> None:
    """`splits.csv` of each layout: which sealed shard belongs to which split. Made anew from the catalog."""
    for layout in {row.layout for row in rows}:
        content = splits_csv(layout, rows)
        path = dataset_dir / SHARDS_FOLDER / layout / "splits.csv"
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            hit("store.listing")
            replace_file(path, content)


def splits_csv(layout: str, rows: Sequence[ShardRow]) -> bytes:
    """The content of a layout's `splits.csv`: its sealed shards, each with its split and its samples."""
    lines = sorted(
        f"{row.split}/{Path(row.shard_path).name},{row.split},{row.sample_count}"
        for row in rows
        if row.layout == layout and row.state == "sealed"
    )
    return "\n".join(["shard,split,sample_count", *lines, ""]).encode()
