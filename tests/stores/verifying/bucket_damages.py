"""Damages to a dataset in a bucket, each with the findings that it has to lead to. Each is to a shard of its own, so
that many can be planted at once: a look at a bucket takes its time."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.stores.verifying.bucket_worlds import Stored
from tests.stores.verifying.damages import A1, A2, B2, SAMPLE_BYTES, STRANGER
from vta_stream.domain.sample import Sample
from vta_stream.stores.shards import END, tar_bytes

VIDEOS, VECTORS = "shards/video-text", "shards/embeddings"
A01, A2_ALONE, E0_ALONE = (f"{VIDEOS}/train/shard-{index:06d}-1.tar" for index in range(3))
"""The first two clips of vid-a, its third, and the one of vid-e."""
B01, B2_ALONE = (f"{VIDEOS}/val/shard-{index:06d}-1.tar" for index in range(2))
"""The first two clips of vid-b, and its third."""
B1 = "vid-b_000010000_000014000_0a1b2c3d"
E0 = "vid-e_000000000_000004000_0a1b2c3d"
CALLED_OPEN = "state = 'open', sealed_at = NULL"

Plant = Callable[[Stored], object]


@dataclass(frozen=True)
class Damage:
    name: str
    plant: Plant
    expected: Sequence[tuple[str, str]]


def sql(*statements: str) -> Plant:
    return lambda stored: stored.run_sql(*statements)


def row_of(shard: str, change: str) -> Plant:
    return sql(f"UPDATE shards SET {change} WHERE shard_path = '{shard}'")


def content(key: str, how: Callable[[bytes], bytes]) -> Plant:
    return lambda stored: stored.bucket.put(key, how(stored.read(key)))


def put(key: str, what: bytes = b"x") -> Plant:
    return lambda stored: stored.bucket.put(key, what)


def gone(key: str) -> Plant:
    return lambda stored: stored.bucket.delete([key])


def flip(key: str, member: str, at: int = 20) -> Plant:
    """Change one bit of a member's content."""

    def how(old: bytes) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(old)) as archive:
            offset = archive.getmember(member).offset_data + at
        return old[:offset] + bytes([old[offset] ^ 0x40]) + old[offset + 1 :]

    return content(key, how)


def stranger(key: str) -> Plant:
    """A sample that no row names, in a shard whose row counts its bytes."""
    more = tar_bytes(Sample(STRANGER, "train", {"mp4": b"x", "txt": b"x", "json": b"{}"}))

    def plant(stored: Stored) -> None:
        content(key, lambda old: old[: -len(END)] + more + END)(stored)
        row_of(key, f"data_bytes = data_bytes + {len(more)}")(stored)

    return plant


def unsealed(key: str, behind: bytes) -> Plant:
    """As a folder's open shard that was copied into the bucket: its temporary name, no end, and a tail."""

    def plant(stored: Stored) -> None:
        put(f"{key}.part", stored.read(key)[: -len(END)] + behind)(stored)
        gone(key)(stored)

    return plant


def both(*plants: Plant) -> Plant:
    return lambda stored: [plant(stored) for plant in plants]


def left_here(name: str) -> Plant:
    def plant(stored: Stored) -> None:
        (stored.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (stored.folder / name).write_bytes(b"x")

    return plant


MENDED = (
    Damage("no end", content(A01, lambda old: old[: -len(END)]), [("shard_end", A01)]),
    Damage("bytes behind the end", content(A2_ALONE, lambda old: old + b"more"), [("shard_end", A2_ALONE)]),
    Damage("a sample that no row names", stranger(B01), [("unnamed_bytes", B01)]),
    Damage("unsealed", unsealed(B2_ALONE, b""), [("shard_unsealed", f"{B2_ALONE}.part")]),
    Damage("video list gone", gone(f"{VIDEOS}/splits.csv"), [("splits_csv", f"{VIDEOS}/splits.csv")]),
    Damage(
        "called open",
        row_of(f"{VECTORS}/train/shard-000001-1.tar", CALLED_OPEN),
        [("shard_renamed", f"{VECTORS}/train/shard-000001-1.tar"), ("splits_csv", f"{VECTORS}/splits.csv")],
    ),
    Damage(
        "called open and unsealed",
        both(
            row_of(f"{VECTORS}/train/shard-000002-1.tar", CALLED_OPEN),
            unsealed(f"{VECTORS}/train/shard-000002-1.tar", b"torn"),
        ),
        [("shard_unsealed", f"{VECTORS}/train/shard-000002-1.tar.part")],
    ),
    Damage(
        "shard's row gone",
        sql(f"DELETE FROM shards WHERE shard_path = '{VECTORS}/val/shard-000000-1.tar'"),
        [("shard_row_missing", f"{VECTORS}/val/shard-000000-1.tar")],
    ),
    Damage(
        "shard counts wrong",
        row_of(f"{VECTORS}/val/shard-000001-1.tar", "sample_count = 7"),
        [("shard_count", f"{VECTORS}/val/shard-000001-1.tar")],
    ),
    Damage(
        "shard of a commit that never was",
        put(f"{VIDEOS}/train/shard-000009-1.tar"),
        [("unknown_shard_file", f"{VIDEOS}/train/shard-000009-1.tar")],
    ),
    Damage(
        "somebody else's object",
        put("shards/notes/read me.txt"),
        [("unknown_shard_file", "shards/notes/read me.txt")],
    ),
    Damage(
        "table file from nowhere",
        put("tables/main/clips/ducklake-0.parquet"),
        [("unknown_table_file", "tables/main/clips/ducklake-0.parquet")],
    ),
    Damage(
        "offset below zero",
        sql("UPDATE offsets SET next_offset = -1 WHERE topic = 'videos.done'"),
        [("offset_invalid", "offsets cluster-1 id-of-videos.done videos.done 0")],
    ),
    Damage("spilled", left_here("tmp/spilled.tmp"), [("leftover", "tmp/spilled.tmp")]),
    Damage("not uploaded", left_here("staging/shards/a.tar.part"), [("leftover", "staging/shards/a.tar.part")]),
)
"""What a repair mends without a loss."""

LOST = (
    Damage("object gone", gone(A2_ALONE), [("shard_missing", A2_ALONE)]),
    Damage("cut in its second sample", content(A01, lambda old: old[: SAMPLE_BYTES + 700]), [("shard_short", A01)]),
    Damage("a bit of a video", flip(B01, f"{B1}.mp4"), [("sample_damaged", f"{B01} {B1}")]),
    Damage(
        "padding",
        content(B2_ALONE, lambda old: old[: SAMPLE_BYTES - 1] + b"X" + old[SAMPLE_BYTES:]),
        [("sample_damaged", f"{B2_ALONE} {B2}")],
    ),
    Damage(
        "a bit of a vector",
        flip(f"{VECTORS}/train/shard-000001-1.tar", f"{A2}.npy", 131),
        [("sample_damaged", f"{VECTORS}/train/shard-000001-1.tar {A2}")],
    ),
    Damage(
        "sample's row gone",
        sql(f"DELETE FROM samples WHERE clip_id = '{E0}' AND layout = 'video-text'"),
        [("sample_missing", f"clips {E0}"), ("unnamed_bytes", E0_ALONE), ("shard_count", E0_ALONE)],
    ),
    Damage("vector list wrong", put(f"{VECTORS}/splits.csv", b"shard\n"), [("splits_csv", f"{VECTORS}/splits.csv")]),
)
"""What takes clips with it: the second and third of vid-a, the second and third of vid-b, the one of vid-e."""

LOST_CLIPS = {A1, A2, B1, B2, E0}
