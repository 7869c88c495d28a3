"""A video: what was asked for, and what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["youtube", "url", "file"]


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """One message of the `videos` topic: please turn this video into clips.

    `url` is what gets fetched: a YouTube page for `youtube`, http(s) for `url`, `file:///…` for `file`.
    `language` is a BCP 47 tag that overrides detection. A higher `priority` goes first among the
    requests that wait for a download slot of a worker. `labels` are copied to the dataset untouched.
    """

    video_id: str
    url: str
    source: Source
    priority: int = 0
    language: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file in the media store. `path` is relative to the store's root; `sha256` is in hex."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What probing found. Headers lie: believe these for choosing tools, and believe decoding for truth.

    `width` and `height` are in pixels as displayed, after `rotation_deg` (0, 90, 180, 270 clockwise).
    `duration_s` is None where the container does not say. `fps` is the average rate, None if unknown.
    """

    container: str
    duration_s: float | None
    width: int
    height: int
    fps: float | None
    rotation_deg: int
    video_codec: str
    pixel_format: str
    audio_codec: str | None = None
    audio_rate_hz: int | None = None
    audio_channels: int | None = None


@dataclass(frozen=True, slots=True)
class Subtitle:
    """Subtitles that came along: a file of the media store, or a stream inside the video (`stream_index`).

    `format` is one of vtt, srt, json3, mov_text, ass, subrip, webvtt. Exactly one of `path` and
    `stream_index` is set.
    """

    language: str | None
    kind: Literal["manual", "automatic"]
    format: str
    path: str | None = None
    stream_index: int | None = None


Metadata = Mapping[str, str | int | float | bool | tuple[str, ...] | None]
"""What a site said of a video, by name: an allow-list, without media URLs, headers and cookies."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source brought into a folder: `media` and the subtitles' paths are names in that folder."""

    media: str
    subtitles: tuple[Subtitle, ...] = ()
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Video:
    """A downloaded video: one record of `videos.downloaded`.

    `metadata` is an allow-list of what the site said (title, channel, upload_date, license, tags…); it
    never holds media URLs, headers or cookies.
    """

    request: VideoRequest
    media: MediaFile
    facts: VideoFacts
    subtitles: tuple[Subtitle, ...] = ()
    metadata: Metadata = field(default_factory=dict)

    @property
    def video_id(self) -> str:
        """The ID under which everything of this video is filed."""
        return self.request.video_id
