"""Valid records with sensible defaults; a test names only what it is about."""

from __future__ import annotations

from typing import Any

from vta_stream.domain.clip import Clip, Cut, SegmentedVideo, Span
from vta_stream.domain.delivery import Delivery, Position
from vta_stream.domain.ids import clip_id
from vta_stream.domain.transcript import TranscribedVideo, TranscriptFacts, Word
from vta_stream.domain.video import MediaFile, Video, VideoFacts, VideoRequest


def request(video_id: str = "vid-1", **changes: Any) -> VideoRequest:
    return VideoRequest(
        **{"video_id": video_id, "url": f"https://example.org/{video_id}.mp4", "source": "url", **changes}
    )


def facts(**changes: Any) -> VideoFacts:
    values: dict[str, Any] = {
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "duration_s": 30.0,
        "width": 640,
        "height": 360,
        "fps": 25.0,
        "rotation_deg": 0,
        "video_codec": "h264",
        "pixel_format": "yuv420p",
        "audio_codec": "aac",
        "audio_rate_hz": 48_000,
        "audio_channels": 2,
    }
    return VideoFacts(**{**values, **changes})


def video(video_id: str = "vid-1", **changes: Any) -> Video:
    values: dict[str, Any] = {
        "request": request(video_id),
        "media": MediaFile(f"{video_id}/download-0/video.mp4", 1000, "ab" * 32),
        "facts": facts(),
    }
    return Video(**{**values, **changes})


def transcribed(video_id: str = "vid-1", **changes: Any) -> TranscribedVideo:
    values: dict[str, Any] = {
        "video": video(video_id),
        "transcript": TranscriptFacts(
            f"{video_id}/transcribe-0/transcript.json", "manual_subtitles", "en", None, 2, 6, 4.0
        ),
    }
    return TranscribedVideo(**{**values, **changes})


def segmented_video(video_id: str = "vid-1", **changes: Any) -> SegmentedVideo:
    values: dict[str, Any] = {
        "transcribed": transcribed(video_id),
        "pipeline_version": "0a1b2c3d",
        "clip_count": 1,
        "decoded_s": 30.0,
        "shot_count": 3,
    }
    return SegmentedVideo(**{**values, **changes})


def clip(video_id: str = "vid-1", start_s: float = 1.0, end_s: float = 5.0, **changes: Any) -> Clip:
    identity = clip_id(video_id, start_s, end_s, "0a1b2c3d")
    span = Span(start_s, end_s)
    values: dict[str, Any] = {
        "clip_id": identity,
        "video_id": video_id,
        "pipeline_version": "0a1b2c3d",
        "index": 0,
        "clip_count": 1,
        "span": span,
        "text": "A red circle moves.",
        "words": (
            Word("A", 1.0, 1.2),
            Word("red", 1.2, 1.6),
            Word("circle", 1.6, 2.2),
            Word("moves.", 2.2, 2.8),
        ),
        "language": "en",
        "transcript_source": "manual_subtitles",
        "media": MediaFile(f"{video_id}/segment-0/{identity}.mp4", 4000, "cd" * 32),
        "frames_path": f"{video_id}/segment-0/{identity}.npz",
        "cut": Cut(span, span, 100, 0.0, 0.0),
        "split_group": video_id,
    }
    return Clip(**{**values, **changes})


def delivery(record: Any, topic: str, offset: int = 0, *, partition: int = 0, attempt: int = 1) -> Delivery[Any]:
    return Delivery(record, topic, Position("cluster-1", f"id-of-{topic}", topic, partition, offset), attempt)
