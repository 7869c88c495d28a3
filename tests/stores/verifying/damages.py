"""Damages to the files of a dataset, each with the findings that it has to lead to, and no others."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.stores.verifying.worlds import run_sql
from vta_stream.domain.sample import Sample
from vta_stream.stores.shards import END, tar_bytes

TRAIN = "shards/video-text/train/shard-000000.tar"
"""Sealed: the first two clips of vid-a."""
VECTORS = "shards/embeddings/train/shard-000000.tar"
OPEN = "shards/video-text/val/shard-000001.tar"
"""Open: the third clip of vid-b."""
SAMPLE_BYTES = 5120
A0, A1, A2, A3 = (f"vid-a_{10_000 * i:09d}_{10_000 * i + 4000:09d}_0a1b2c3d" for i in range(4))
B2 = "vid-b_000020000_000024000_0a1b2c3d"
STRANGER = "vid-x_000000000_000004000_0a1b2c3d"


@dataclass(frozen=True)
class Damage:
    name: str
    plant: Callable[[Path], object]
    expected: Sequence[tuple[str, str]]


def sql(*statements: str) -> Callable[[Path], object]:
    return lambda folder: run_sql(folder, *statements)


def patch(name: str, offset: int, content: bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.seek(offset)
            file.write(content)

    return write


def append(name: str, content: bytes) -> Callable[[Path], object]:
    return patch_at_end(name, lambda size: (size, content))


def patch_at_end(name: str, change: Callable[[int], tuple[int, bytes]]) -> Callable[[Path], object]:
    return lambda folder: patch(name, *change((folder / name).stat().st_size))(folder)


def cut(name: str, size_bytes: int) -> Callable[[Path], object]:
    def truncate(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.truncate(size_bytes)

    return truncate


def put(name: str, content: bytes = b"x") -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return write


def member(folder: Path, shard: str, name: str) -> int:
    """Where the content of a member begins."""
    with tarfile.open(folder / shard) as archive:
        return archive.getmember(name).offset_data


def flip(shard: str, name: str, at: int = 20) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        offset = member(folder, shard, name) + at
        old = (folder / shard).read_bytes()[offset]
        patch(shard, offset, bytes([old ^ 0x40]))(folder)

    return change


def stranger(folder: Path) -> None:
    """A sample that no row names, in the open shard, whose row counts its bytes."""
    content = tar_bytes(Sample(STRANGER, "val", {"mp4": b"x", "txt": b"x", "json": b"{}"}))
    append(f"{OPEN}.part", content)(folder)
    run_sql(folder, f"UPDATE shards SET data_bytes = data_bytes + {len(content)} WHERE shard_path = '{OPEN}'")


def unsealed(folder: Path) -> None:
    (folder / TRAIN).rename(folder / f"{TRAIN}.part")
    cut(f"{TRAIN}.part", 2 * SAMPLE_BYTES + 512)(folder)


FILES = (
    Damage("a bit of a video", flip(TRAIN, f"{A1}.mp4"), [("sample_damaged", f"{TRAIN} {A1}")]),
    Damage("a bit of a text", flip(TRAIN, f"{A0}.txt", 3), [("sample_damaged", f"{TRAIN} {A0}")]),
    Damage("a bit of a JSON", flip(TRAIN, f"{A0}.json", 14), [("sample_damaged", f"{TRAIN} {A0}")]),
    Damage("a bit of a vector", flip(VECTORS, f"{A1}.npy", 131), [("sample_damaged", f"{VECTORS} {A1}")]),
    Damage("a bit of a header", patch(TRAIN, 3, b"X"), [("sample_damaged", f"{TRAIN} {A0}")]),
    Damage("padding", patch(TRAIN, SAMPLE_BYTES - 1, b"X"), [("sample_damaged", f"{TRAIN} {A0}")]),
    Damage("sealed shard gone", lambda folder: (folder / TRAIN).unlink(), [("shard_missing", TRAIN)]),
    Damage("open shard gone", lambda folder: (folder / f"{OPEN}.part").unlink(), [("shard_missing", OPEN)]),
    Damage("shard cut in its second sample", cut(TRAIN, SAMPLE_BYTES + 700), [("shard_short", TRAIN)]),
    Damage("open shard cut", cut(f"{OPEN}.part", 10), [("shard_short", OPEN)]),
    Damage("seal not finished", unsealed, [("shard_unsealed", f"{TRAIN}.part")]),
    Damage(
        "renamed before its commit",
        lambda folder: (folder / f"{OPEN}.part").rename(folder / OPEN),
        [("shard_renamed", OPEN)],
    ),
    Damage("no end", cut(TRAIN, 2 * SAMPLE_BYTES), [("shard_end", TRAIN)]),
    Damage("half an end", cut(TRAIN, 2 * SAMPLE_BYTES + 512), [("shard_end", TRAIN)]),
    Damage("bytes behind the end", append(TRAIN, b"more"), [("shard_end", TRAIN)]),
    Damage(
        "a member in the end's place",
        patch(TRAIN, 2 * SAMPLE_BYTES, tar_bytes(Sample("k", "train", {"t": b"x"}))),
        [("shard_end", TRAIN)],
    ),
    Damage("bytes never committed", append(f"{OPEN}.part", END), [("shard_tail", f"{OPEN}.part")]),
    Damage("a sample that no row names", stranger, [("unnamed_bytes", OPEN)]),
    Damage(
        "shard from nowhere",
        put("shards/video-text/train/shard-000009.tar"),
        [("unknown_shard_file", "shards/video-text/train/shard-000009.tar")],
    ),
    Damage(
        "part of a shard from nowhere",
        put("shards/video-text/test/shard-000000.tar.part"),
        [("unknown_shard_file", "shards/video-text/test/shard-000000.tar.part")],
    ),
    Damage("sealed and a part", put(f"{TRAIN}.part"), [("unknown_shard_file", f"{TRAIN}.part")]),
    Damage(
        "part of a list",
        put("shards/embeddings/splits.csv.part"),
        [("leftover", "shards/embeddings/splits.csv.part")],
    ),
    Damage("spilled memory", put("tmp/duckdb_temp_storage-0.tmp"), [("leftover", "tmp/duckdb_temp_storage-0.tmp")]),
    Damage(
        "list wrong",
        put("shards/embeddings/splits.csv", b"shard,split,sample_count\n"),
        [("splits_csv", "shards/embeddings/splits.csv")],
    ),
    Damage(
        "list gone",
        lambda folder: (folder / "shards/embeddings/splits.csv").unlink(),
        [("splits_csv", "shards/embeddings/splits.csv")],
    ),
    Damage(
        "table file from nowhere",
        put("tables/main/clips/ducklake-0.parquet"),
        [("unknown_table_file", "tables/main/clips/ducklake-0.parquet")],
    ),
)
"""Files that were changed."""
