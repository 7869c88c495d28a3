"""Files beside the shards: those that nothing names, and the lists that have to agree with the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from vta_stream.stores.shard_set import splits_csv
from vta_stream.stores.shards import SHARD_FILE, SHARDS_FOLDER, ShardRow
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.shard_bytes import PART
from vta_stream.stores.verifying.snapshot import files_below

SPILL_FOLDER = "tmp"
"""Where the writer's DuckDB puts what does not fit into memory."""
SPLITS = "splits.csv"


def check_leftovers(dataset_dir: Path, shards: Sequence[ShardRow], named: Collection[str]) -> Iterator[Finding]:
    """Files among the shards, and in the writer's temporary folder, that should not be there.

    `named` are the shards that rows of samples name, whether they have rows of their own or not.
    """
    on_disk = {f"{SHARDS_FOLDER}/{name}": size for name, size in files_below(dataset_dir / SHARDS_FOLDER)}
    expected = {f"{SHARDS_FOLDER}/{row.layout}/{SPLITS}" for row in shards}
    expected |= {path + ending for path in set(named) - {row.shard_path for row in shards} for ending in ("", PART)}
    for row in shards:
        final, part = row.shard_path, row.shard_path + PART
        first, second = (final, part) if row.state == "sealed" else (part, final)
        expected.add(first if first in on_disk else second)  # the second is a finding of the shard's bytes
    for place, size_bytes in on_disk.items():
        if place not in expected:
            shard = SHARD_FILE.fullmatch(Path(place).name) or not place.endswith(PART)
            yield Finding("unknown_shard_file" if shard else "leftover", place, f"{size_bytes} bytes")
    for name, size_bytes in files_below(dataset_dir / SPILL_FOLDER):
        yield Finding("leftover", f"{SPILL_FOLDER}/{name}", f"{size_bytes} bytes")


def check_splits(dataset_dir: Path, shards: Sequence[ShardRow]) -> Iterator[Finding]:
    """`splits.csv` of each layout lists the sealed shards, each with its split and its samples."""
    for layout in sorted({row.layout for row in shards}):
        path = dataset_dir / SHARDS_FOLDER / layout / SPLITS
        place = str(path.relative_to(dataset_dir))
        if not path.is_file():
            if any(row.layout == layout and row.state == "sealed" for row in shards):
                yield Finding("splits_csv", place, "it is not there")
        elif path.read_bytes() != splits_csv(layout, shards):
            yield Finding("splits_csv", place, "its lines differ from the catalog's sealed shards")
