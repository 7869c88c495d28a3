"""Rejects clips of whose speech the recogniser left a part out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.filters.base import RecognisedFilter


@dataclass(frozen=True)
class LongestWordFilter(RecognisedFilter):
    """Needs `longest_word`, the seconds that the longest recognised word takes.

    faster-whisper calls a word an anomaly from 2.0 s on (`word_anomaly_score` in transcribe.py). The default 1.3 was
    measured over the clips of the demo corpus with a recogniser that skipped phrases: where none was skipped the
    longest word took 0.9 s or less, and where one was, 1.5 to 3.4 s. A speaker who pauses for longer within a sentence
    can be rejected too, since a recogniser counts a pause to the words beside it.
    """

    name: ClassVar[str] = "longest_word"
    needs: ClassVar[str] = "longest_word"
    unit: ClassVar[str] = " s"

    maximum: float | None = 1.3


PLUGIN = LongestWordFilter
