"""The store alone, with batches that a test chooses: commits them and ends.

python -m tests.faults.store_world FOLDER BATCHES [MUTANT]

BATCHES is JSON: lists of numbers in `records`. A record has the same place in its log in every run.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.builders import delivery
from tests.stores.lakes import dataset, dead, done, embedded, media_store, rejected, topic_of
from vta_stream.domain.delivery import Delivery

SHARD_SAMPLES = 3
SMALL, LARGE, REST = [0, 1, 2], 3, [4, 5, 6]
"""Numbers of records: clips that are accepted, one of which is much larger; and the others of their video."""


def records(folder: Path) -> list[object]:
    small = [embedded(folder, "vid-a", index, 5) for index in range(3)]
    return [
        *small,
        larger(folder, 3),
        rejected("vid-a", 4, 5),
        done(folder, "vid-a", 5),
        dead("download", "vid-b", offset=1),
    ]


def larger(folder: Path, index: int) -> object:
    """An accepted clip of a hundred times the bytes."""
    import hashlib

    made = embedded(folder, "vid-a", index, 5)
    path = media_store(folder).path(made.media.path)
    content = path.read_bytes() * 100
    path.write_bytes(content)
    media = replace(made.media, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return replace(made, media=media)


def deliveries(folder: Path) -> list[Delivery[Any]]:
    """Each record at its place; the large one in a partition of its own, so that it may come before or after."""
    return [
        delivery(record, topic_of(record), offset, partition=int(offset == LARGE))
        for offset, record in enumerate(records(folder))
    ]


def main(folder: Path, batches: list[list[int]]) -> None:
    made = deliveries(folder)
    lake = dataset(folder, shard_samples_max=SHARD_SAMPLES)
    lake.open()
    for batch in batches:
        failures = lake.commit([made[number] for number in batch]).failures
        if failures:
            raise SystemExit(f"a record failed: {failures}")
    lake.close()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        from tests.faults import mutants

        mutants.plant(sys.argv[3])
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
