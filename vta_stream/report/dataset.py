"""What a page tells of a dataset, read from its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vta_stream.domain.clip import Caption, Span
from vta_stream.domain.verdict import Verdict

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLIPS = (
    "SELECT clip_id, video_id, start_s, end_s, text, accepted, score_failures, verdicts, "
    "(SELECT list({'captioner': captioner, 'text': text, 'model': model, 'match': match} ORDER BY caption_index) "
    "FROM captions WHERE captions.clip_id = clips.clip_id) AS captions FROM clips ORDER BY video_id, start_s, clip_id"
)
_VIDEOS = "SELECT video_id, status, reason, message, url FROM videos ORDER BY video_id"


@dataclass(frozen=True, slots=True)
class ShownClip:
    """A row of `clips` with its captions. `failures` are measurements that failed, by score, and why."""

    clip_id: str
    video_id: str
    span: Span
    text: str
    accepted: bool
    verdicts: tuple[Verdict, ...]
    captions: tuple[Caption, ...] = ()
    failures: Mapping[str, str] | None = None

    @property
    def refusals(self) -> tuple[Verdict, ...]:
        """The verdicts that keep it out."""
        return tuple(verdict for verdict in self.verdicts if not verdict.keep)


@dataclass(frozen=True, slots=True)
class ShownVideo:
    """A row of `videos`. `reason` and `message` say why it failed, or why it gave no clips; else None."""

    video_id: str
    status: str
    reason: str | None = None
    message: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ShownDataset:
    """All videos and clips of a dataset, in the order of their IDs and times."""

    videos: tuple[ShownVideo, ...]
    clips: tuple[ShownClip, ...]

    @property
    def accepted(self) -> tuple[ShownClip, ...]:
        """The clips that are samples."""
        return tuple(clip for clip in self.clips if clip.accepted)

    @property
    def rejected(self) -> tuple[ShownClip, ...]:
        """The clips that a filter kept out."""
        return tuple(clip for clip in self.clips if not clip.accepted)

    @property
    def refused_by(self) -> Counter[str]:
        """How many of the rejected clips each filter refused; a clip that two refused counts for both."""
        return Counter(verdict.filter for clip in self.rejected for verdict in clip.refusals)


def read_dataset(lake: DuckDBPyConnection) -> ShownDataset:
    """Everything of one snapshot, through a connection of `stores.reader.open_reader`."""
    lake.execute("BEGIN")
    try:
        videos = tuple(ShownVideo(*row) for row in lake.execute(_VIDEOS).fetchall())
        clips = tuple(_clip(*row) for row in lake.execute(_CLIPS).fetchall())
    finally:
        lake.execute("ROLLBACK")
    return ShownDataset(videos, clips)


def _clip(
    clip_id: str,
    video_id: str,
    start_s: float,
    end_s: float,
    text: str,
    accepted: bool,
    failures: dict[str, str],
    verdicts: list[dict[str, object]],
    captions: list[dict[str, object]] | None,
) -> ShownClip:
    return ShownClip(
        clip_id,
        video_id,
        Span(start_s, end_s),
        text,
        accepted,
        tuple(
            Verdict(
                filter=str(one["filter"]),
                keep=bool(one["keep"]),
                reason=str(one["reason"]),
                value=_number(one["value"]),
                limit=_number(one["limit_value"]),
            )
            for one in verdicts
        ),
        tuple(
            Caption(str(one["captioner"]), str(one["text"]), _text(one["model"]), _number(one["match"]))
            for one in captions or ()
        ),
        failures,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
