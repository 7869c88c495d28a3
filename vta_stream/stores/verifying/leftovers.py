"""Files beside the shards: those that nothing names, and the lists that have to agree with the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from vta_stream.stores.shard_set import splits_csv
from vta_stream.stores.shards import SHARD_FILE, SHARDS_FOLDER, ShardRow
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.homes import STAGING_FOLDER, FolderHome, Home
from vta_stream.stores.verifying.shard_bytes import PART, names_of

WORK_FOLDERS = ("tmp", STAGING_FOLDER)
"""Of the dataset's folder, wherever its files lie: what does not fit into memory, and shards before their upload."""
SPLITS = "splits.csv"


def check_leftovers(
    home: Home, local: FolderHome, shards: Sequence[ShardRow], named: Collection[str]
) -> Iterator[Finding]:
    """Files that should not be there, among the shards and, on this machine (`local`), where a writer works.

    `named` are the shards that rows of samples name, whether they have rows of their own or not.
    """
    there = home.files(SHARDS_FOLDER)
    expected = {f"{SHARDS_FOLDER}/{row.layout}/{SPLITS}" for row in shards}
    expected |= {path + ending for path in set(named) - {row.shard_path for row in shards} for ending in ("", PART)}
    for row in shards:
        first, second = names_of(row)
        expected.add(first if first in there else second)  # the second is a finding of the shard's bytes
    for place, size_bytes in there.items():
        if place not in expected:
            shard = SHARD_FILE.fullmatch(place.rpartition("/")[2]) or not place.endswith(PART)
            yield Finding("unknown_shard_file" if shard else "leftover", place, f"{size_bytes} bytes")
    for folder in WORK_FOLDERS:
        for place, size_bytes in local.files(folder).items():
            yield Finding("leftover", place, f"{size_bytes} bytes")


def check_splits(home: Home, shards: Sequence[ShardRow]) -> Iterator[Finding]:
    """`splits.csv` of each layout lists the sealed shards, each with its split and its samples."""
    for layout in sorted({row.layout for row in shards}):
        place = f"{SHARDS_FOLDER}/{layout}/{SPLITS}"
        wanted = splits_csv(layout, shards)
        try:
            with home.open(place) as file:
                same = file.read(len(wanted) + 1) == wanted
        except FileNotFoundError:
            if any(row.layout == layout and row.state == "sealed" for row in shards):
                yield Finding("splits_csv", place, "it is not there")
            continue
        if not same:
            yield Finding("splits_csv", place, "its lines differ from the catalog's sealed shards")
