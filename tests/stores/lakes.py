"""A small world for the dataset's tests: media that exist, records that fit them, and a look at the result."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tests.builders import clip, delivery, segmented_video
from vta_stream.domain.clip import Caption, Clip, Features, SegmentedVideo
from vta_stream.domain.delivery import DeadLetter, Delivery
from vta_stream.domain.scores import Scores
from vta_stream.domain.transcript import Cue, Transcript
from vta_stream.domain.verdict import Verdict
from vta_stream.domain.video import MediaFile
from vta_stream.settings import Settings
from vta_stream.settings.work import MediaStoreSettings, StoreSettings
from vta_stream.stores.dataset import LakeDataset
from vta_stream.stores.media_store import LocalMediaStore
from vta_stream.stores.reader import open_reader

DIM = 8
FRAMES = 3


def settings(folder: Path, **store: Any) -> Settings:
    return Settings(data_dir=folder, store=StoreSettings(**{"val_share": 0.0, "test_share": 0.0, **store}))


def media_store(folder: Path) -> LocalMediaStore:
    return LocalMediaStore(folder / "media", MediaStoreSettings(min_free_bytes=0))


def dataset(folder: Path, **store: Any) -> LakeDataset:
    chosen = settings(folder, **store)
    return LakeDataset(chosen.dataset_dir, chosen.store, media_store(folder))


def embedded(folder: Path, video_id: str, index: int = 0, count: int = 1, **changes: Any) -> Clip:
    """An accepted clip whose mp4 and features are in the media store."""
    made = clip(video_id, 10.0 * index, 10.0 * index + 4, index=index, clip_count=count)
    root = media_store(folder).root / video_id / "segment-0"
    root.mkdir(parents=True, exist_ok=True)
    media = f"mp4 of {made.clip_id} ".encode() * 40
    (root / f"{made.clip_id}.mp4").write_bytes(media)
    vectors = np.random.default_rng(index).normal(size=(FRAMES, DIM)).astype(np.float16)
    np.savez(root / f"{made.clip_id}.features.npz", frames=vectors, text=vectors[0])
    return replace(
        made,
        media=MediaFile(f"{video_id}/segment-0/{made.clip_id}.mp4", len(media), hashlib.sha256(media).hexdigest()),
        features=Features("tiny", f"{video_id}/segment-0/{made.clip_id}.features.npz", DIM, FRAMES),
        scores=Scores({"clip_match": 0.3, "motion": 1.5}, {"sharpness": "no frame"}),
        verdicts=(Verdict("clip_match", True, "fits", 0.3, 0.2), Verdict("motion", True, "moves", 1.5, 0.1)),
        captions=(Caption("transcript", made.text, None, 0.2), Caption("coca", "a circle", "coca-tiny", 0.4)),
        judged_at_s=1_700_000_000.0,
        **changes,
    )


def rejected(video_id: str, index: int = 0, count: int = 1) -> Clip:
    """A clip that a filter refused; its media do not matter."""
    made = clip(video_id, 10.0 * index, 10.0 * index + 4, index=index, clip_count=count)
    verdicts = (Verdict("clip_match", True, "fits", 0.3, 0.2), Verdict("motion", False, "still", 0.01, 0.1))
    return replace(made, verdicts=verdicts, scores=Scores({"motion": 0.01}))


def done(folder: Path, video_id: str, count: int = 1, **changes: Any) -> SegmentedVideo:
    """The end of a video's segmentation, with its transcript in the media store."""
    root = media_store(folder).root / video_id / "transcribe-0"
    root.mkdir(parents=True, exist_ok=True)
    words = Transcript(video_id, "manual_subtitles", "en", (Cue("A red circle moves.", 1.0, 2.8),))
    (root / "transcript.json").write_bytes(msgspec.json.encode(words))
    return segmented_video(video_id, clip_count=count, **changes)


def dead(stage: str, video_id: str | None, clip_id: str | None = None, offset: int = 0, **changes: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "stage": stage,
        "topic": "videos",
        "partition": 0,
        "offset": offset,
        "key": video_id,
        "value": video_id or "?",
        "value_base64": False,
        "video_id": video_id,
        "clip_id": clip_id,
        "kind": "terminal",
        "reason": "private",
        "message": "the video is private",
        "traceback": None,
        "attempt": 1,
        "failed_at_s": 1_700_000_000.0 + offset,
    }
    return DeadLetter(**{**values, **changes})


def topic_of(record: object) -> str:
    if isinstance(record, Clip):
        return "clips.embedded" if record.accepted and record.features else "clips.rejected"
    return "videos.done" if isinstance(record, SegmentedVideo) else "dead-letters"


class Logs:
    """Gives records their positions, as Kafka would: one partition a topic."""

    def __init__(self) -> None:
        self.next: dict[str, int] = {}

    def deliver(self, *records: object) -> list[Delivery[Any]]:
        made = []
        for record in records:
            topic = topic_of(record)
            offset = self.next.get(topic, 0)
            self.next[topic] = offset + 1
            made.append(delivery(record, topic, offset))
        return made


def rows(folder: Path, sql: str, **store: Any) -> list[tuple[Any, ...]]:
    with open_reader(settings(folder, **store)) as connection:
        return [tuple(row.values()) for row in connection.execute(sql).to_arrow_table().to_pylist()]


def tar_keys(path: Path) -> list[str]:
    """The keys of a shard in order; fails if members of a sample are not adjacent, or any is there twice."""
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert len(set(names)) == len(names)
    keys: list[str] = []
    for name in names:
        key = name.partition(".")[0]
        if not keys or keys[-1] != key:
            keys.append(key)
    assert len(set(keys)) == len(keys)
    return keys


def check_samples(folder: Path, root: Path | None = None, **store: Any) -> int:
    """Every sample of the catalog is found, with its members, just where it says; returns how many there are.

    Sealed shards hold nothing else, in the order of their offsets, and open ones nothing behind it. `root` is where
    the shards lie, if not in the dataset's folder.
    """
    root = root or settings(folder).dataset_dir
    facts = "SELECT shard_path, state, sample_count, data_bytes FROM shards"
    shards = {row[0]: row[1:] for row in rows(folder, facts, **store)}
    samples = rows(
        folder,
        "SELECT clip_id, layout, shard_path, offset_bytes, size_bytes FROM samples ORDER BY shard_path, offset_bytes",
        **store,
    )
    assert len({sample[:2] for sample in samples}) == len(samples), "a sample twice"
    reached: dict[str, int] = {}
    counted: dict[str, int] = {}
    for key, layout, path, offset_bytes, size_bytes in samples:
        assert offset_bytes == reached.get(path, 0), "a gap or an overlap"
        reached[path] = offset_bytes + size_bytes
        counted[path] = counted.get(path, 0) + 1
        file = root / (path if shards[path][0] == "sealed" else f"{path}.part")
        with file.open("rb") as shard:
            shard.seek(offset_bytes)
            content = shard.read(size_bytes)
        with tarfile.open(fileobj=io.BytesIO(content + b"\0" * 1024)) as archive:
            first = "mp4" if layout == "video-text" else "npy"
            assert archive.getnames() == [f"{key}.{first}", f"{key}.txt", f"{key}.json"]
            assert {(m.mtime, m.uid, m.gid, m.mode) for m in archive.getmembers()} == {(0, 0, 0, 0o644)}
    assert {path: (row[1], row[2]) for path, row in shards.items()} == {
        path: (counted[path], reached[path]) for path in reached
    }
    on_disk = {str(path.relative_to(root)): path.stat().st_size for path in root.glob("shards/*/*/*")}
    assert on_disk == {
        path if state == "sealed" else f"{path}.part": size + (1024 if state == "sealed" else 0)
        for path, (state, _, size) in shards.items()
    }
    return len(samples)


def csv_rows(path: Path) -> Sequence[Sequence[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def state(folder: Path, *, shards: bool = True, **store: Any) -> dict[str, list[str]]:
    """The rows of all tables without their writing times; also without where the samples lie, if not `shards`.

    Nor does it say which writer wrote what, which the names of shards in a bucket tell.
    """
    leave_out = {
        "videos": ["updated_at"],
        "clips": ["stored_at"],
        "dead_letters": ["stored_at"],
        "shards": ["opened_at", "sealed_at"],
        "samples": [] if shards else ["shard_path", "offset_bytes"],
        "offsets": [],
        "transcripts": [],
        "captions": [],
        "embeddings": [],
    }
    if not shards:
        del leave_out["shards"], leave_out["offsets"]
    found = {}
    with open_reader(settings(folder, **store)) as connection:
        for table, names in leave_out.items():
            excluded = f"EXCLUDE ({', '.join(names)})" if names else ""
            table_rows = connection.execute(f"SELECT * {excluded} FROM {table}").to_arrow_table().to_pylist()
            found[table] = sorted(re.sub(r"-\d+\.tar'", ".tar'", repr(row)) for row in table_rows)
    return found
