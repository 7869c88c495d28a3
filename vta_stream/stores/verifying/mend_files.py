"""Mending files in place: nothing is deleted, what has to go is moved to quarantine.

`open_again`, `cut_tails`, `finish_seals` and `end_shards` change files, so they are for a folder only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from vta_stream.stores.files import sync_file, sync_folder
from vta_stream.stores.shards import END, OpenShard, seal
from vta_stream.stores.verifying.bench import Bench
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.shard_bytes import PART


def say_place(bench: Bench, findings: Sequence[Finding]) -> None:
    """`moved`: readers take the place of the tables from the catalog."""
    bench.lake.correct_data_path()
    bench.done.append("the catalog says where its tables are")


def put_aside(bench: Bench, findings: Sequence[Finding]) -> None:
    """`unknown_shard_file`, `unknown_table_file`, `leftover`."""
    for finding in findings:
        target = bench.put_aside(finding.place)
        if target is not None:
            bench.done.append(f"{finding.place}: moved to {target}")


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
    bench.home.sink.write_splits(list(bench.shards().values()))
    bench.done += [f"{finding.place}: written anew" for finding in findings]
