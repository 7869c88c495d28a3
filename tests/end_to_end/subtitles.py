"""Subtitles as the tests read them: with a few lines of their own, so that two readers have to agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TIMES = re.compile(r"(\d+):(\d+):(\d+)[,.](\d+) --> (\d+):(\d+):(\d+)[,.](\d+)")
TOLERANCE_S = 0.05


@dataclass(frozen=True)
class Line:
    """One cue."""

    start_s: float
    end_s: float
    words: tuple[str, ...]


def read_srt(text: str, dropped: str = "") -> list[Line]:
    """The cues of a well-formed SRT; the words `dropped` (speaker labels) are left out."""
    lines = []
    for block in re.split(r"\n\s*\n", text.strip()):
        _number, times, *said = block.splitlines()
        found = TIMES.fullmatch(times.strip())
        assert found, times
        numbers = [int(number) for number in found.groups()]
        start_s, end_s = (h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:]))
        words = tuple(word for word in " ".join(said).split() if word not in dropped.split())
        lines.append(Line(start_s, end_s, words))
    return lines


def agreeing(words: Iterable[dict[str, float | str]], lines: Sequence[Line]) -> list[str]:
    """The words of the subtitles that `words` holds, in order; fails if one is not there, or not in its cue's time."""
    waiting = [(line, word) for line in lines for word in line.words]
    found: list[str] = []
    for word in words:
        at = next((index for index, (_, text) in enumerate(waiting) if text == word["text"]), None)
        assert at is not None, f"{word} is not in the subtitles after {' '.join(found[-3:])!r}"
        line, text = waiting[at]
        assert line.start_s - TOLERANCE_S <= float(word["start_s"]) <= float(word["end_s"]), (word, line)
        assert float(word["end_s"]) <= line.end_s + TOLERANCE_S, (word, line)
        found.append(text)
        waiting = waiting[at + 1 :]
    return found
