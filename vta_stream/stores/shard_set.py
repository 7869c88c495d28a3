"""All shards of a dataset: which are open, which are full, and what a commit did to them."""

from __future__ import annotations

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
from vta_stream.stores.shard_sink import ShardSink
from vta_stream.stores.shards import SHARDS_FOLDER, Layout, OpenShard, Place, ShardRow

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

_ROWS = """SELECT shard_path, layout, split, shard_index, state, sample_count, data_bytes,
epoch(opened_at), epoch(sealed_at) FROM shards"""


class ShardSet:
    """The shards that grow, one a layout and split, and the numbers of the next ones.

    A commit goes: `append` as often as needed, `persist`, `save` within the transaction, `committed` after it.
    Whatever goes wrong before the transaction is through: `recover`. Where the bytes go is the sink's business.
    """

    def __init__(self, sink: ShardSink, settings: StoreSettings, clock: Callable[[], float] = time.time) -> None:
        self._sink = sink
        self._clock = clock
        self._settings = settings
        self._open: dict[tuple[str, str], OpenShard] = {}
        self._next_index: dict[tuple[str, str], int] = {}
        self._touched: dict[str, OpenShard] = {}
        self._full: set[str] = set()

    def recover(self, lake: Lake, writer: int = 0) -> None:
        """Make the files what the catalog says. `writer`: this writer's number; see ShardSink."""
        self.close()
        self._open.clear()
        self._next_index.clear()
        self._touched.clear()
        self._full.clear()
        rows = _known(lake)
        for row in rows:
            slot = (row.layout, row.split)
            self._next_index[slot] = max(row.shard_index + 1, self._next_index.get(slot, 0))
        for shard in self._sink.recover(rows, writer):
            self._open[shard.row.layout, shard.row.split] = shard
        self._sink.write_splits(rows)

    def collect_orphans(self, lake: Lake) -> None:
        """Between commits: remove what no commit ever named."""
        self._sink.collect_orphans(_known(lake))

    def append(self, layout: Layout, sample: Sample) -> Place:
        """Write a sample into the open shard of its layout and split; a full one makes room for the next."""
        slot = (layout, sample.split)
        shard = self._open.get(slot)
        if shard is None:
            shard = self._open[slot] = self._new(layout, sample.split)
        place = shard.append(sample)
        self._touched[place.shard_path] = shard
        if self._is_full(shard):
            self._give_up(slot, shard)
            self._sink.persist(shard)
        return place

    def _give_up(self, slot: tuple[str, str], shard: OpenShard) -> None:
        self._full.add(shard.row.shard_path)
        del self._open[slot]

    def _new(self, layout: Layout, split: Split) -> OpenShard:
        index = self._next_index.get((layout, split), 0)
        self._next_index[layout, split] = index + 1
        return self._sink.new(layout, split, index, self._clock())

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
            self._give_up(slot, shard)

    def persist(self) -> None:
        """From here on what was appended survives the machine's end."""
        if not self._sink.keeps_open:
            for slot, shard in list(self._open.items()):
                self._give_up(slot, shard)
        for shard in self._touched.values():
            self._sink.persist(shard)

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
                self._sink.seal(shard)
                metrics.SHARDS_SEALED.labels(shard.row.layout).inc()
        if full:
            self._sink.write_splits(_known(lake))

    def close(self) -> None:
        """Close the files."""
        for shard in (*self._open.values(), *self._touched.values()):
            shard.close()


def _known(lake: Lake) -> list[ShardRow]:
    return [ShardRow(*row) for row in lake.rows(_ROWS)]


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
