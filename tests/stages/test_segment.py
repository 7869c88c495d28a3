"""The segment stage on real files, through real children: clips, their files, and the video's own record."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests import builders
from vta_stream.children import ChildPool
from vta_stream.domain.clip import Clip, Segment, SegmentedVideo, Span
from vta_stream.domain.delivery import Emission
from vta_stream.domain.making import MadeVideo
from vta_stream.domain.transcript import Cue, TranscribedVideo, Transcript, TranscriptFacts
from vta_stream.media.clips import make_clips
from vta_stream.media.frames import read_frames
from vta_stream.metrics import REGISTRY
from vta_stream.ports import DeferError, StageError, TransientError
from vta_stream.settings.work import MediaStoreSettings, SegmentSettings
from vta_stream.stages.segment import SegmentStage
from vta_stream.stages.segmentation import choose_segments
from vta_stream.stores.media_store import LocalMediaStore

VERSION = "0a1b2c3d"
CUES = (
    Cue("Something is said before the cut.", 0.6, 3.0),
    Cue("And more of it comes after the next one.", 8.3, 11.5),
)


def read_transcript(path: Path) -> Transcript:
    return msgspec.json.decode(path.read_bytes(), type=Transcript)


def beyond_the_end(cues: Sequence[Cue], shots: Sequence[Span], settings: SegmentSettings) -> tuple[Segment, ...]:
    """A good segment, and one that the video is too short for."""
    return Segment(Span(0.0, 2.0), "good"), Segment(Span(shots[-1].end_s - 1, shots[-1].end_s + 2), "too long")


@pytest.fixture
async def children() -> AsyncIterator[ChildPool]:
    pool = ChildPool("segment", 1)
    yield pool
    await pool.close()


@pytest.fixture
def store(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path / "media", MediaStoreSettings())


def stage_of(
    store: LocalMediaStore, children: ChildPool, choose: Any = choose_segments, **settings: Any
) -> SegmentStage:
    return SegmentStage(store, children, make_clips, choose, read_transcript, SegmentSettings(**settings), VERSION)


def placed(store: LocalMediaStore, source: Path, cues: tuple[Cue, ...] = CUES, **changes: Any) -> TranscribedVideo:
    """The video and its transcript in the media store, as the stages before leave them."""
    folder = store.path("vid-1")
    (folder / "download-0").mkdir(parents=True, exist_ok=True)
    (folder / "transcribe-0").mkdir(exist_ok=True)
    shutil.copy(source, folder / "download-0" / source.name)
    source_kind = "manual_subtitles" if cues else "none"
    transcript = Transcript("vid-1", source_kind, "en" if cues else None, cues)  # type: ignore[arg-type]
    (folder / "transcribe-0/transcript.json").write_bytes(msgspec.json.encode(transcript))
    media = store.describe(f"vid-1/download-0/{source.name}")
    words = sum(len(cue.text.split()) for cue in cues)
    facts = TranscriptFacts(
        "vid-1/transcribe-0/transcript.json", transcript.source, transcript.language, None, len(cues), words, 6.0
    )
    return builders.transcribed(video=builders.video(media=media, **changes), transcript=facts)


async def processed(stage: SegmentStage, video: TranscribedVideo) -> tuple[list[Emission], SegmentedVideo]:
    (outcome,) = await stage.process([builders.delivery(video, "videos.transcribed")])
    assert not isinstance(outcome, StageError), outcome
    *clips, last = outcome
    assert last.topic == "videos.done"
    assert isinstance(last.record, SegmentedVideo)
    return clips, last.record


async def test_a_real_video_becomes_verified_clips(
    store: LocalMediaStore, children: ChildPool, shared_media: Path
) -> None:
    video = placed(store, shared_media / "video/nasa_13013.mp4")
    clips, done = await processed(stage_of(store, children), video)
    assert [emission.topic for emission in clips] == ["clips.segmented"] * 2
    for index, emission in enumerate(clips):
        clip = emission.record
        assert isinstance(clip, Clip)
        assert (clip.index, clip.clip_count, clip.video_id) == (index, 2, "vid-1")
        assert clip.media == store.describe(clip.media.path)
        assert clip.media.path.endswith(f"/{clip.clip_id}.mp4")
        times_s, images = read_frames(store.path(clip.frames_path))
        assert len(images) == 8
        assert all(clip.span.start_s <= time_s < clip.span.end_s for time_s in times_s)
        assert clip.cut.asked == clip.span
        assert abs(clip.cut.got.duration_s - clip.span.duration_s) < 2 / 29.97
        assert clip.cut.audio_offset_s == pytest.approx(0, abs=0.001)
        assert set(clip.scores.values) == {"motion", "shot_purity"}
        assert clip.scores.values["shot_purity"] == 1.0
        assert clip.accepted
    assert clips[0].record.text == "Something is said before the cut."  # type: ignore[attr-defined]
    assert (done.clip_count, done.shot_count, done.reason) == (2, 2, None)
    assert done.decoded_s == pytest.approx(13.01, abs=0.01)
    left = {path.name for path in store.path(clips[0].record.media.path).parent.iterdir()}  # type: ignore[attr-defined]
    assert left == {"clips.json", *(f"{e.record.clip_id}.{kind}" for e in clips for kind in ("mp4", "npz"))}  # type: ignore[attr-defined]


def _decoded_s() -> float:
    return REGISTRY.get_sample_value("vta_media_seconds_total", {"step": "decoded"}) or 0.0


async def test_a_redelivery_uses_the_artifact(store: LocalMediaStore, children: ChildPool, shared_media: Path) -> None:
    video = placed(store, shared_media / "hostile/ae_testsrc.mp4", ())
    stage = stage_of(store, children, min_clip_s=0.5)
    before_s = _decoded_s()
    first = await processed(stage, video)
    assert _decoded_s() == pytest.approx(before_s + 2.0)
    store.path(video.video.media.path).unlink()  # it cannot decode again
    assert await processed(stage, video) == first
    assert _decoded_s() == pytest.approx(before_s + 2.0)
    other = replace(video, transcript=replace(video.transcript, path="vid-1/transcribe-1/transcript.json"))
    shutil.copytree(store.path("vid-1/transcribe-0"), store.path("vid-1/transcribe-1"))
    (outcome,) = await stage.process([builders.delivery(other, "videos.transcribed")])
    assert isinstance(outcome, TransientError)  # another transcript needs other clips
    assert outcome.reason == "media_gone"


async def test_a_bad_cut_is_a_rejected_clip(store: LocalMediaStore, children: ChildPool, shared_media: Path) -> None:
    video = placed(store, shared_media / "video/dog_eating_854132.mp4", ())
    clips, done = await processed(stage_of(store, children, beyond_the_end), video)
    assert [emission.topic for emission in clips] == ["clips.segmented", "clips.rejected"]
    bad = clips[1].record
    assert isinstance(bad, Clip)
    (verdict,) = bad.verdicts
    assert (verdict.filter, verdict.keep) == ("cut", False)
    assert verdict.reason.startswith("borders: asked for")
    assert bad.judged_at_s is not None
    assert done.clip_count == 2
    assert store.describe(bad.media.path) == bad.media


@pytest.mark.parametrize(
    ("name", "cues", "settings", "reason"),
    [
        ("ae_testsrc.mp4", (Cue("Short.", 0.1, 0.4),), {"min_clip_s": 1.9}, "no_segment_long_enough"),
        ("tc_h265_10bits.mp4", (), {}, "too_short"),
        ("ae_testsrc.mp4", (), {"min_clip_s": 1.0, "without_speech": "skip"}, "no_speech"),
    ],
)
async def test_no_clips_have_a_reason(
    store: LocalMediaStore,
    children: ChildPool,
    shared_media: Path,
    name: str,
    cues: tuple[Cue, ...],
    settings: dict[str, Any],
    reason: str,
) -> None:
    video = placed(store, shared_media / "hostile" / name, cues)
    clips, done = await processed(stage_of(store, children, **settings), video)
    assert clips == []
    assert (done.clip_count, done.reason) == (0, reason)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("zero_byte.webm", "empty_file"), ("audio_only_named.mp4", "no_video_stream"), ("gone.mp4", "media_gone")],
)
async def test_failures_are_values(
    store: LocalMediaStore, children: ChildPool, shared_media: Path, name: str, reason: str
) -> None:
    gone = name == "gone.mp4"
    video = placed(store, shared_media / "hostile" / ("ae_testsrc.mp4" if gone else name))
    if gone:
        store.path(video.video.media.path).unlink()
    (outcome,) = await stage_of(store, children).process([builders.delivery(video, "videos.transcribed")])
    assert isinstance(outcome, StageError)
    assert outcome.reason == reason


async def test_a_missing_transcript_is_transient(
    store: LocalMediaStore, children: ChildPool, shared_media: Path
) -> None:
    video = placed(store, shared_media / "hostile/ae_testsrc.mp4")
    store.path(video.transcript.path).unlink()
    (outcome,) = await stage_of(store, children).process([builders.delivery(video, "videos.transcribed")])
    assert isinstance(outcome, TransientError)
    assert outcome.reason == "media_gone"


async def test_a_child_that_takes_too_long_is_killed(
    store: LocalMediaStore, children: ChildPool, shared_media: Path
) -> None:
    facts = builders.facts(duration_s=0.01)
    video = placed(store, shared_media / "hostile/smpte_2997_labels.mp4", (), facts=facts)
    stage = stage_of(store, children, timeout_min_s=0.3)
    (outcome,) = await stage.process([builders.delivery(video, "videos.transcribed")])
    assert isinstance(outcome, TransientError)
    assert outcome.reason == "child_timeout"
    assert not any(store.path("vid-1").glob("segment-*/clips.json"))


@pytest.mark.slow
async def test_an_interrupted_attempt_is_begun_again(
    store: LocalMediaStore, children: ChildPool, shared_media: Path
) -> None:
    video = placed(store, shared_media / "video/dog_eating_854132.mp4", ())
    stage = stage_of(store, children, max_clip_s=4.0, preset="ultrafast", crf=40)
    attempt = asyncio.create_task(stage.process([builders.delivery(video, "videos.transcribed")]))
    while not any(store.path("vid-1").glob("segment-*/*.npz")):  # noqa: ASYNC110 - files send no events
        await asyncio.sleep(0.02)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    clips, done = await processed(stage, video)
    assert done.clip_count == len(clips) == 4
    folder = store.path(clips[0].record.media.path).parent  # type: ignore[attr-defined]
    assert len(list(folder.iterdir())) == 1 + 2 * 4


@pytest.mark.parametrize(
    ("metadata", "group"),
    [({"channel_id": "UC1", "uploader_id": "@x"}, "UC1"), ({"uploader_id": "@x"}, "@x"), ({"channel_id": ""}, "vid-1")],
)
async def test_clips_of_a_channel_stay_together(
    store: LocalMediaStore, children: ChildPool, shared_media: Path, metadata: dict[str, Any], group: str
) -> None:
    video = placed(store, shared_media / "hostile/ae_testsrc.mp4", (), metadata=metadata)
    clips, _ = await processed(stage_of(store, children, min_clip_s=1.0, preset="ultrafast", crf=40), video)
    assert [emission.record.split_group for emission in clips] == [group]  # type: ignore[attr-defined]


class Held:
    """Children that work when they are let, and count."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = asyncio.Event()

    async def run(self, function: Any, *arguments: Any, deadline_s: float) -> Any:
        self.calls += 1
        await self.go_on.wait()
        return MadeVideo(30.0, 1, ())

    async def close(self) -> None:
        self.go_on.set()


async def test_two_deliveries_at_once_do_not_work_in_one_folder(store: LocalMediaStore, tmp_path: Path) -> None:
    """Published twice: whoever comes second would tear the first one's files, and then wants to have them again."""
    source = tmp_path / "video.mp4"
    source.write_bytes(b"video")
    video = placed(store, source)
    children = Held()
    first, second = (stage_of(store, children) for _ in range(2))  # type: ignore[arg-type]
    work = asyncio.create_task(processed(first, video))
    await asyncio.sleep(0.1)
    (outcome,) = await second.process([builders.delivery(video, "videos.transcribed", 1)])
    assert isinstance(outcome, DeferError)
    assert outcome.reason == "in_work"
    children.go_on.set()
    made = await work
    assert await processed(second, video) == made
    assert children.calls == 1
