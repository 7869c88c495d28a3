"""WebVTT and SubRip: blocks of a timing line and text lines.

Read here and not by pysubs2, because that takes any line with two timestamps for a timing line, and a line
of YouTube's automatic captions with three timed words is just that.
"""

from __future__ import annotations

import re

from vta_stream.media.subtitles.base import Line, Piece, RawCue

_STAMP = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^\s*{_STAMP}\s*-->\s*{_STAMP}(?:\s.*)?$")
_WORD_TIME = re.compile(rf"<{_STAMP}>")


def parse_blocks(text: str) -> list[RawCue]:
    """The cues of a WebVTT or SubRip file, in file order, with what can be read of a damaged one.

    A block without a valid timing line is left out with its text, because nobody knows when it is said;
    so are headers, NOTE and STYLE blocks and identifiers. A timing line straight after text, without the
    blank line, begins a new cue (youtube-dl wrote such files). A missing WEBVTT header is forgiven.
    """
    cues: list[RawCue] = []
    timing: tuple[float, float] | None = None
    lines: list[Line] = []

    def finish() -> None:
        if timing is not None and lines:
            cues.append(RawCue(*timing, tuple(lines)))
        lines.clear()

    for line in text.splitlines():
        match = _TIMING.match(line)
        if match:
            finish()
            timing = (_seconds(*match.groups()[:4]), _seconds(*match.groups()[4:]))
        elif not line:
            # Only an empty line ends a cue: YouTube writes a single space where a line of the window is empty.
            finish()
            timing = None
        elif timing is not None:
            lines.append(_pieces(line))
    finish()
    return cues


def _pieces(line: str) -> Line:
    pieces: list[Piece] = []
    start_s: float | None = None
    at = 0
    for match in _WORD_TIME.finditer(line):
        pieces.append(Piece(line[at : match.start()], start_s))
        start_s, at = _seconds(*match.groups()), match.end()
    pieces.append(Piece(line[at:], start_s))
    return tuple(pieces)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
