"""What the readers of all formats share: the raw cue, the error, the bounds."""

from __future__ import annotations

from dataclasses import dataclass

from vta_stream.ports import TerminalError

SIZE_MAX_BYTES = 32 * 1024**2
"""A three-hour film has 0.2 MB of captions, three hours of automatic ones 3 MB; more is no subtitle."""

CUES_MAX = 200_000
"""Eight cues a second for seven hours."""


class SubtitleError(TerminalError):
    """These subtitles cannot be used; others, or recognition, may. `reason` is `subtitle_unreadable`."""

    def __init__(self, message: str) -> None:
        super().__init__("subtitle_unreadable", message)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of marked-up text. `start_s` is when its first word is spoken, None where the file does not say."""

    text: str
    start_s: float | None = None


Line = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class RawCue:
    """A cue as the file has it: markup, annotations, rolling repeats and impossible times included."""

    start_s: float
    end_s: float
    lines: tuple[Line, ...]
