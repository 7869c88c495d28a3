"""What the segment stage's child process makes of one video: its clips, before they become records."""

from __future__ import annotations

from dataclasses import dataclass

from vta_stream.domain.clip import Cut, Segment


@dataclass(frozen=True, slots=True)
class MadeClip:
    """One segment's files, `<clip_id>.mp4` and `<clip_id>.npz`, and what the decode pass measured of it.

    `motion` is in luma levels of 255 per second, `shot_purity` from 0.0 to 1.0. `failure` is the reason
    (slug) and the sentence, where the cut is not what was asked for; the files may be empty then.
    """

    clip_id: str
    segment: Segment
    cut: Cut
    motion: float
    shot_purity: float
    failure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class MadeVideo:
    """All clips of one video, in time order. `decoded_s` is how long the video really is, in seconds."""

    decoded_s: float
    shot_count: int
    clips: tuple[MadeClip, ...]
