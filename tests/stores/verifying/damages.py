"""Damages to a dataset, each with the findings that it has to lead to, and no others."""

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


def twice(table: str, where: str) -> str:
    return f"INSERT INTO {table} SELECT * FROM {table} WHERE {where}"


def unsealed(folder: Path) -> None:
    (folder / TRAIN).rename(folder / f"{TRAIN}.part")
    cut(f"{TRAIN}.part", 2 * SAMPLE_BYTES + 512)(folder)


ROWS = (
    Damage("clip twice", sql(twice("clips", f"clip_id = '{A0}'")), [("row_twice", f"clips {A0}")]),
    Damage("video twice", sql(twice("videos", "video_id = 'vid-d'")), [("row_twice", "videos vid-d")]),
    Damage(
        "caption twice",
        sql(twice("captions", f"clip_id = '{A3}' OR (clip_id = '{A0}' AND caption_index = 1)")),
        [("row_twice", f"captions {A0} 1")],
    ),
    Damage(
        "embedding twice", sql(twice("embeddings", f"clip_id = '{A0}'")), [("row_twice", f"embeddings {A0}")]
    ),
    Damage(
        "sample twice",
        sql(twice("samples", f"clip_id = '{A0}' AND layout = 'embeddings'")),
        [("row_twice", f"samples {A0} embeddings")],
    ),
    Damage(
        "shard twice", sql(twice("shards", f"shard_path = '{TRAIN}'")), [("row_twice", f"shards {TRAIN}")]
    ),
    Damage(
        "transcript twice",
        sql(twice("transcripts", "video_id = 'vid-b'")),
        [("row_twice", "transcripts vid-b 0a1b2c3d")],
    ),
    Damage(
        "dead letter twice",
        sql(twice("dead_letters", "video_id = 'vid-c'")),
        [("row_twice", "dead_letters cluster-1 download videos 0 2")],
    ),
    Damage(
        "offset twice",
        sql(twice("offsets", "topic = 'videos.done'")),
        [("row_twice", "offsets cluster-1 id-of-videos.done 0")],
    ),
    Damage(
        "version twice",
        sql("INSERT INTO pipeline_versions VALUES ('v', '{}', now()), ('v', '{}', now())"),
        [("row_twice", "pipeline_versions v")],
    ),
    Damage(
        "caption of no clip",
        sql(f"INSERT INTO captions VALUES ('{STRANGER}', 0, 'coca', 'a text', NULL, NULL)"),
        [("row_without_clip", f"captions {STRANGER}")],
    ),
    Damage(
        "embedding of no clip",
        sql(f"UPDATE embeddings SET clip_id = '{STRANGER}' WHERE clip_id = '{A0}'"),
        [
            ("row_without_clip", f"embeddings {STRANGER}"),
            ("embedding_missing", f"samples {A0}"),
        ],
    ),
    Damage(
        "embedding gone",
        sql(f"DELETE FROM embeddings WHERE clip_id = '{A0}'"),
        [("embedding_missing", f"samples {A0}")],
    ),
    Damage(
        "embedding of another length",
        sql(f"UPDATE embeddings SET text_embedding = [1.0] WHERE clip_id = '{A0}'"),
        [("embedding_missing", f"embeddings {A0}")],
    ),
    Damage(
        "rejected clip in a shard",
        sql(
            f"UPDATE clips SET accepted = false, verdicts = [{{'filter': 'f', 'keep': false, 'reason': 'r', "
            f"'value': 0.0, 'limit_value': 1.0}}] WHERE clip_id = '{A0}'"
        ),
        [("rejected_in_shard", f"clips {A0}")],
    ),
    Damage(
        "rejected for nothing",
        sql(f"UPDATE clips SET verdicts = [] WHERE clip_id = '{A3}'"),
        [("verdict_disagrees", f"clips {A3}")],
    ),
    Damage(
        "clip of a done video gone",
        sql(f"DELETE FROM clips WHERE clip_id = '{A3}'"),
        [("clips_missing", "videos vid-a")],
    ),
    Damage(
        "more clips than were cut",
        sql("UPDATE videos SET clip_count = 3 WHERE video_id = 'vid-b'"),
        [("clips_too_many", "videos vid-b")],
    ),
    Damage(
        "done and still called under way",
        sql("UPDATE videos SET status = 'processing' WHERE video_id = 'vid-a'"),
        [("video_misjudged", "videos vid-a")],
    ),
    Damage(
        "failed and without its row",
        sql("DELETE FROM videos WHERE video_id = 'vid-c'"),
        [("video_misjudged", "videos vid-c")],
    ),
    Damage(
        "a row that says nothing",
        sql("INSERT INTO videos (video_id, status) VALUES ('vid-y', 'processing')"),
        [("video_misjudged", "videos vid-y")],
    ),
    Damage(
        "failed for no reason",
        sql("DELETE FROM dead_letters WHERE video_id = 'vid-c'"),
        [("video_without_reason", "videos vid-c")],
    ),
    Damage(
        "transcript gone",
        sql("DELETE FROM transcripts WHERE video_id = 'vid-b'"),
        [("transcript_missing", "videos vid-b")],
    ),
    Damage(
        "split of another clip",
        sql(f"UPDATE clips SET split = 'val' WHERE clip_id = '{A0}'"),
        [("split_disagrees", f"samples {A0}"), ("split_disagrees", f"samples {A0}")],
    ),
    Damage(
        "offset below zero",
        sql("UPDATE offsets SET next_offset = -1 WHERE topic = 'videos.done'"),
        [("offset_invalid", "offsets cluster-1 id-of-videos.done videos.done 0")],
    ),
    Damage(
        "shard's row gone",
        sql(f"DELETE FROM shards WHERE shard_path = '{OPEN}'"),
        [("shard_row_missing", OPEN)],
    ),
    Damage(
        "shard counts wrong",
        sql(f"UPDATE shards SET sample_count = 7 WHERE shard_path = '{OPEN}'"),
        [("shard_count", OPEN)],
    ),
    Damage(
        "shard's bytes too few",
        sql(f"UPDATE shards SET data_bytes = data_bytes - 512 WHERE shard_path = '{TRAIN}'"),
        [("shard_count", TRAIN)],
    ),
    Damage(
        "shard's bytes too many",
        sql(f"UPDATE shards SET data_bytes = data_bytes + 512000 WHERE shard_path = '{TRAIN}'"),
        [("shard_count", TRAIN)],
    ),
    Damage(
        "sample's row gone",
        sql(f"DELETE FROM samples WHERE clip_id = '{A1}' AND layout = 'video-text'"),
        [
            ("sample_missing", f"clips {A1}"), ("unnamed_bytes", TRAIN), ("shard_count", TRAIN)
        ],
    ),
)  # fmt: skip
"""Rows that were changed behind the store's back."""

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
