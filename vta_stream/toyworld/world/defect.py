"""What can be wrong with a video of the world, and what there is to find it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Defect(StrEnum):
    """What was planted in a video, or in how it is served; one a video."""

    NONE = "none"
    OTHER_SCENE = "other_scene"
    SHIFTED = "shifted"
    STILL = "still"
    NO_SPEECH = "no_speech"
    FOREIGN = "foreign"
    BURNT_TEXT = "burnt_text"
    NEAR_DUPLICATE = "near_duplicate"
    BLURRED = "blurred"
    DARK = "dark"
    OUT_OF_STEP = "out_of_step"
    TOO_SHORT = "too_short"
    DAMAGED = "damaged"
    REMOVED = "removed"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    CUT_OFF = "cut_off"


NOT_SERVED = frozenset({Defect.REMOVED, Defect.FORBIDDEN})
"""There is no file: the server answers 410 or 403, always."""

SERVED_BADLY = frozenset({Defect.RATE_LIMITED, Defect.CUT_OFF})
"""The file is good; the server answers 429, or breaks the connection, once, and then gives it."""


@dataclass(frozen=True, slots=True)
class Cover:
    """How a class is found: by these filters, or by these reasons of a video without clips or of its dead letter.

    `found_by` is empty where nothing can find it yet: `why` says what is missing, else why these find it.
    """

    found_by: frozenset[str]
    why: str


def _by(*names: str, why: str) -> Cover:
    return Cover(frozenset(names), why)


COVER = {
    Defect.OTHER_SCENE: _by("clip_match", why="the words do not fit the picture"),
    Defect.SHIFTED: _by("clip_match", why="words that come after the cut do not fit the next shot"),
    Defect.STILL: _by("motion", why="the picture does not change"),
    Defect.NO_SPEECH: _by("speech_ratio", "words_per_second", why="clips are made of the shots and have no words"),
    Defect.FOREIGN: _by(
        "clip_match",
        "asr_confidence",
        "longest_word",
        "speech_ratio",
        "words_per_second",
        why="what is heard does not fit the picture, or was heard in part or with little confidence, or nothing was",
    ),
    Defect.BURNT_TEXT: _by(why="it needs to be read: no filter looks for text in the picture"),
    Defect.NEAR_DUPLICATE: _by(why="its clips are good for themselves: nothing compares them to those before"),
    Defect.BLURRED: _by("sharpness", why="no edge is sharp"),
    Defect.DARK: _by("luminance", why="the picture is almost black"),
    Defect.OUT_OF_STEP: _by(why="words stay over their shot: one would have to hear what happens in the picture"),
    Defect.TOO_SHORT: _by(
        "too_short", "no_segment_long_enough", "duration", why="no shot is as long as a clip has to be"
    ),
    Defect.DAMAGED: _by(
        "damaged", "not_media", "no_frames", "no_segment_long_enough", "cut", why="it cannot be opened, or ends early"
    ),
    Defect.REMOVED: _by("removed", "not_found", why="the server says so"),
    Defect.FORBIDDEN: _by("forbidden", why="the server says so"),
    Defect.RATE_LIMITED: _by("rate_limited", why="the server says so, and is asked again"),
    Defect.CUT_OFF: _by(
        "cut_off", "connection_failed", why="fewer bytes came than were promised, and are fetched again"
    ),
}
"""Every class of defect but `none`."""

NOT_YET_COVERED = tuple(defect for defect, cover in COVER.items() if not cover.found_by)
"""The classes for which there is no filter yet; they are named in reports, and count in no figure."""
