"""What was said, and when. All times are seconds of the video, from its first frame's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vta_stream.domain.video import Video

TranscriptSource = Literal["manual_subtitles", "automatic_subtitles", "asr", "none"]
"""Where the words come from. `none`: the video has no audio and no subtitles, so there are no words."""


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word. `probability` is the recogniser's, 0.0 to 1.0; None where nothing was recognised."""

    text: str
    start_s: float
    end_s: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """A stretch of speech as the subtitles or the recogniser cut it. `words` is empty where times are unknown.

    `average_logprob` and `no_speech_probability` are Whisper's, None for subtitles.
    """

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...] = ()
    average_logprob: float | None = None
    no_speech_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that was said in a video. An artifact of the media store, since it outgrows a Kafka message.

    `model` names the recogniser and its settings, None for subtitles. `language` is None if unknown.
    """

    video_id: str
    source: TranscriptSource
    language: str | None
    cues: tuple[Cue, ...]
    model: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptFacts:
    """What a record says of a transcript; the words lie in the media store under `path`."""

    path: str
    source: TranscriptSource
    language: str | None
    model: str | None
    cue_count: int
    word_count: int
    speech_s: float


@dataclass(frozen=True, slots=True)
class TranscribedVideo:
    """One record of `videos.transcribed`."""

    video: Video
    transcript: TranscriptFacts

    @property
    def video_id(self) -> str:
        """The ID under which everything of this video is filed."""
        return self.video.video_id


def union_s(intervals: Sequence[tuple[float, float]]) -> float:
    """Seconds that are covered by at least one of the (start, end) intervals; overlaps count once."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        start = max(start, reached)
        if end > start:
            total += end - start
            reached = end
    return total
