"""Reading the whole dataset, the way its users do: DuckDB for the tables, webdataset for the shards."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.chaos.oracle import Observed
from tests.faults.chaos.place import Place
from vta_stream.stores.reader import open_reader

PAYLOAD = {"video-text": "mp4", "embeddings": "npy"}


def observe(place: Place) -> Observed:
    """Everything that the oracle wants to know."""
    settings = place.settings
    with open_reader(settings) as connection:

        def rows(sql: str) -> list[Any]:
            return connection.execute(sql).fetchall()

        return Observed(
            videos=rows("SELECT video_id, status, failed_stage, reason FROM videos"),
            clips=rows("SELECT clip_id, video_id, accepted, sha256 FROM clips"),
            samples=rows("SELECT clip_id, layout, shard_path FROM samples"),
            letters=rows("SELECT video_id, clip_id, stage, kind, reason FROM dead_letters"),
            captions=Counter(dict(rows("SELECT clip_id, count(*) FROM captions GROUP BY clip_id"))),
            embeddings=Counter(dict(rows("SELECT clip_id, count(*) FROM embeddings GROUP BY clip_id"))),
            in_shards=[sample for shard in sealed(place) for sample in read_shard(place.dataset_files, shard)],
        )


def sealed(place: Place) -> list[Path]:
    """The shards that a trainer takes: in a folder all that are there, in a bucket those that the table names.

    What a commit uploaded that did not come about lies in a bucket until maintenance removes it.
    """
    if not place.elsewhere:
        return sorted(place.dataset_files.glob("shards/*/*/*.tar"))
    with open_reader(place.settings) as connection:
        named = connection.execute("SELECT shard_path FROM shards ORDER BY ALL").fetchall()
    return [place.dataset_files / path for (path,) in named]


def read_shard(dataset: Path, shard: Path) -> list[tuple[str, str, str, str]]:
    """(key, layout, shard, SHA-256 of the payload) of each sample, by webdataset."""
    import webdataset

    layout = shard.parts[-3]
    found = []
    for sample in webdataset.WebDataset([str(shard)], shardshuffle=False, empty_check=False):
        payload = sample[PAYLOAD[layout]]
        found.append((sample["__key__"], layout, str(shard.relative_to(dataset)), hashlib.sha256(payload).hexdigest()))
    return found
