"""A segment is a chosen span of a video; a clip is a segment that has media."""

from __future__ import annotations

from dataclasses import dataclass, field

from vta_stream.domain.scores import Scores
from vta_stream.domain.transcript import TranscribedVideo, TranscriptSource, Word
from vta_stream.domain.verdict import Verdict
from vta_stream.domain.video import MediaFile


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open interval [start_s, end_s) of a video's time."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(f"a span has to start at 0 or later and end after its start, not {self}")

    @property
    def duration_s(self) -> float:
        """Length in seconds, above zero."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Segment:
    """A chosen span and what is said in it. `words` may be empty; `text` is empty where nobody speaks."""

    span: Span
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """What the cut was asked for and what was found when the written file was read back.

    `first_pts_s` is the first video frame's time in the clip (0.0 if all is well); `audio_offset_s` is
    the audio's start minus the video's start, None without audio.
    """

    asked: Span
    got: Span
    frame_count: int
    first_pts_s: float
    audio_offset_s: float | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """Normalised embeddings in a `.npz` of the media store, so that no stage computes them twice.

    Arrays: `frames` (frame_count, dim) float16, and `text` (dim,) float16 unless the clip has no text.
    `model` names weights and preprocessing; features of another model must not be mixed.
    """

    model: str
    path: str
    dim: int
    frame_count: int


@dataclass(frozen=True, slots=True)
class Caption:
    """One text for a clip. `captioner` says who wrote it, `match` how well the model finds it fits."""

    captioner: str
    text: str
    model: str | None = None
    match: float | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """A candidate of the dataset: the record of every `clips.*` topic, filled in from stage to stage.

    `clip_id` comes from video, span and pipeline version. `frames_path` names the sampled frames in the
    media store. `words` have times of the video, not of the clip. `text` is the transcript's.
    `index` counts the clips of the video from 0, of `clip_count`. Clips of one `split_group` (the channel,
    else the video) go to the same split. `judged_at_s` is the Unix time of the last verdicts.
    """

    clip_id: str
    video_id: str
    pipeline_version: str
    index: int
    clip_count: int
    span: Span
    text: str
    words: tuple[Word, ...]
    language: str | None
    transcript_source: TranscriptSource
    media: MediaFile
    frames_path: str
    cut: Cut
    split_group: str
    scores: Scores = field(default_factory=Scores)
    verdicts: tuple[Verdict, ...] = ()
    captions: tuple[Caption, ...] = ()
    features: Features | None = None
    judged_at_s: float | None = None

    @property
    def accepted(self) -> bool:
        """True if no filter has said no so far. A clip that nobody judged yet is accepted."""
        return all(verdict.keep for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class SegmentedVideo:
    """One record of `videos.done`: all clips of this video are on their way, and there are `clip_count`.

    `reason` says why there are none, where there are none (`too_short`, `no_speech`…), else it is None.
    """

    transcribed: TranscribedVideo
    pipeline_version: str
    clip_count: int
    decoded_s: float
    shot_count: int
    reason: str | None = None

    @property
    def video_id(self) -> str:
        """The ID under which everything of this video is filed."""
        return self.transcribed.video_id
