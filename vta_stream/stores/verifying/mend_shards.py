"""Writing a shard anew with just what rows name: in a bucket the one way to change a shard at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from vta_stream.stores.catalog import quoted_list
from vta_stream.stores.rows import Row, shard_row
from vta_stream.stores.shards import OpenShard, ShardRow
from vta_stream.stores.verifying.bench import Bench
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.sample_bytes import as_sample
from vta_stream.stores.verifying.shard_bytes import PART, open_shard
from vta_stream.stores.verifying.snapshot import Placed


def rewrite_shards(bench: Bench, findings: Sequence[Finding]) -> None:
    """What rows name goes into a new shard, as a commit would write it; the old one goes aside.

    `unnamed_bytes`, and in a bucket all that is wrong with a shard's name or end.
    """
    shards = bench.shards()
    for path in dict.fromkeys(finding.place.removesuffix(PART) for finding in findings):
        row = shards.get(path)
        opened = row and open_shard(bench.home, row)
        if row and opened:  # else it was written anew for another finding, or is a finding of its own by now
            name, file = opened
            with file:
                fresh = _fill(bench, row, file)
            if fresh is not None:
                _exchange(bench, row, *fresh)
                bench.put_aside(name)


def _fill(bench: Bench, row: ShardRow, old: BinaryIO) -> tuple[OpenShard, list[Row]] | None:
    """A new shard with the samples of an old one, where it survives, and their rows; None if one is damaged."""
    samples = bench.lake.rows(
        "SELECT shard_path, offset_bytes, size_bytes, clip_id, layout, split FROM samples "
        f"WHERE shard_path IN ({quoted_list([row.shard_path])}) ORDER BY offset_bytes"
    )
    fresh = _new_shard(bench, row)
    rows: list[Row] = []
    for placed in (Placed(*(*sample, None, None)) for sample in samples):
        old.seek(placed.offset_bytes)
        try:
            sample = as_sample(placed, old.read(placed.size_bytes))
        except ValueError as error:
            fresh.close()
            fresh.part.unlink(missing_ok=True)
            bench.left.append(
                f"{row.shard_path}: not written anew, because its sample {placed.clip_id} is damaged ({error}): "
                "repair with --drop-lost"
            )
            return None
        place = fresh.append(sample)
        rows.append(
            {
                "clip_id": placed.clip_id,
                "layout": placed.layout,
                "split": placed.split,
                "shard_path": place.shard_path,
                "offset_bytes": place.offset_bytes,
                "size_bytes": place.size_bytes,
            }
        )
    if rows:
        bench.home.sink.persist(fresh)
    return fresh, rows


def _exchange(bench: Bench, row: ShardRow, fresh: OpenShard, samples: Sequence[Row]) -> None:
    """The one commit: from here on the rows name the new shard."""
    where = f"shard_path IN ({quoted_list([row.shard_path])})"
    written = replace(
        fresh.row,
        state="sealed",
        sample_count=fresh.sample_count,
        data_bytes=fresh.data_bytes,
        sealed_at_s=bench.now_s,
    )
    with bench.transaction():
        bench.lake.execute(f"DELETE FROM samples WHERE {where}")
        bench.lake.execute(f"DELETE FROM shards WHERE {where}")
        bench.lake.insert("samples", samples)
        bench.lake.insert("shards", [shard_row(written)] if samples else [])
    fresh.row = written
    if samples:
        bench.home.sink.seal(fresh)
    bench.done.append(f"{row.shard_path}: its {len(samples)} samples are in {written.shard_path} now")


def _new_shard(bench: Bench, row: ShardRow) -> OpenShard:
    siblings = [known.shard_index for known in bench.shards().values() if known.layout == row.layout]
    index = max(siblings, default=-1) + 1
    while True:
        shard = bench.home.new_shard(row, index, bench.fence.number)
        opened = open_shard(bench.home, shard.row)
        if opened is None:
            return shard
        opened[1].close()
        index += 1
