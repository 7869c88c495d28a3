"""Mending files: nothing is deleted, what has to go is moved to quarantine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from vta_stream.stores.catalog import quoted_list
from vta_stream.stores.files import sync_file, sync_folder
from vta_stream.stores.rows import shard_row
from vta_stream.stores.shard_set import write_splits
from vta_stream.stores.shards import END, OpenShard, ShardRow, seal
from vta_stream.stores.verifying.bench import Bench
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.sample_bytes import as_sample
from vta_stream.stores.verifying.shard_bytes import PART, shard_file
from vta_stream.stores.verifying.snapshot import Placed


def say_place(bench: Bench, findings: Sequence[Finding]) -> None:
    """`moved`: readers take the place of the tables from the catalog."""
    bench.lake.correct_data_path()
    bench.done.append("the catalog says where its tables are")


def put_aside(bench: Bench, findings: Sequence[Finding]) -> None:
    """`unknown_shard_file`, `unknown_table_file`, `leftover`."""
    for finding in findings:
        target = bench.put_aside(finding.place)
        bench.done.append(f"{finding.place}: moved to {target.relative_to(bench.dataset_dir)}")


def open_again(bench: Bench, findings: Sequence[Finding]) -> None:
    """`shard_renamed`: what is behind its committed bytes is then cut off as a tail, so a copy is kept."""
    for finding in findings:
        path = bench.dataset_dir / finding.place
        kept = bench.aside(finding.place)
        shutil.copyfile(path, kept)
        sync_file(kept)
        path.rename(path.with_name(path.name + PART))
        sync_folder(path.parent)
        bench.done.append(f"{finding.place}: open again; a copy is {kept.relative_to(bench.dataset_dir)}")


def cut_tails(bench: Bench, findings: Sequence[Finding]) -> None:
    """`shard_tail`: what was never committed is nothing, as for the writer's own recovery."""
    shards = bench.shards()
    for finding in findings:
        shard = OpenShard(bench.dataset_dir, shards[finding.place.removesuffix(PART)])
        shard.truncate()
        shard.close()
        bench.done.append(f"{finding.place}: cut to its {shard.data_bytes} committed bytes")


def finish_seals(bench: Bench, findings: Sequence[Finding]) -> None:
    """`shard_unsealed`."""
    shards = bench.shards()
    for finding in findings:
        seal(OpenShard(bench.dataset_dir, shards[finding.place.removesuffix(PART)]))
        bench.done.append(f"{finding.place}: sealed")


def end_shards(bench: Bench, findings: Sequence[Finding]) -> None:
    """`shard_end`: what is behind the samples goes to quarantine, unless it is empty."""
    shards = bench.shards()
    for finding in findings:
        row = shards[finding.place]
        path = bench.dataset_dir / row.shard_path
        with path.open("r+b") as file:
            file.seek(row.data_bytes)
            behind = file.read()
            if behind.strip(b"\0"):
                kept = bench.aside(f"{row.shard_path}.tail")
                kept.write_bytes(behind)
                sync_file(kept)
            file.seek(row.data_bytes)
            file.write(END)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        bench.done.append(f"{finding.place}: ended behind its {row.data_bytes} bytes")


def list_splits(bench: Bench, findings: Sequence[Finding]) -> None:
    """`splits_csv`."""
    write_splits(bench.dataset_dir, list(bench.shards().values()))
    bench.done += [f"{finding.place}: written anew" for finding in findings]


def rewrite_shards(bench: Bench, findings: Sequence[Finding]) -> None:
    """`unnamed_bytes`: what rows name goes into a new shard, as a commit would write it; the old one goes aside."""
    for path in dict.fromkeys(finding.place for finding in findings):
        _rewrite(bench, bench.shards()[path])


def _rewrite(bench: Bench, row: ShardRow) -> None:
    old = shard_file(bench.dataset_dir, row)
    if old is None:
        return  # a finding of its own by now
    where = f"shard_path IN ({quoted_list([row.shard_path])})"
    samples = bench.lake.rows(
        f"SELECT shard_path, offset_bytes, size_bytes, clip_id, layout, split FROM samples WHERE {where} "
        "ORDER BY offset_bytes"
    )
    fresh = _new_shard(bench, row)
    moved = []
    with old.open("rb") as file:
        for placed in (Placed(*(*sample, None, None)) for sample in samples):
            file.seek(placed.offset_bytes)
            place = fresh.append(as_sample(placed, file.read(placed.size_bytes)))
            moved.append(
                {
                    "clip_id": placed.clip_id,
                    "layout": placed.layout,
                    "split": placed.split,
                    "shard_path": place.shard_path,
                    "offset_bytes": place.offset_bytes,
                    "size_bytes": place.size_bytes,
                }
            )
    written = ShardRow(
        fresh.row.shard_path, row.layout, row.split, fresh.row.shard_index, "sealed", fresh.sample_count,
        fresh.data_bytes, row.opened_at_s, bench.now_s,
    )  # fmt: skip
    if moved:
        fresh.sync()
    with bench.lake.transaction():
        bench.lake.execute(f"DELETE FROM samples WHERE {where}")
        bench.lake.execute(f"DELETE FROM shards WHERE {where}")
        bench.lake.insert("samples", moved)
        bench.lake.insert("shards", [shard_row(written)] if moved else [])
    fresh.row = written
    if moved:
        seal(fresh)
    bench.put_aside(str(old.relative_to(bench.dataset_dir)))
    bench.done.append(f"{row.shard_path}: its {len(moved)} samples are in {written.shard_path} now")


def _new_shard(bench: Bench, row: ShardRow) -> OpenShard:
    siblings = [known.shard_index for known in bench.shards().values() if known.layout == row.layout]
    index = max(siblings, default=-1) + 1
    while True:
        shard = OpenShard.new(bench.dataset_dir, row.layout, row.split, index, row.opened_at_s)  # type: ignore[arg-type]
        if shard_file(bench.dataset_dir, shard.row) is None:
            return shard
        index += 1
