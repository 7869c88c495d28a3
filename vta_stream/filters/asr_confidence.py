"""Rejects clips whose words the recogniser was unsure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.filters.base import RecognisedFilter


@dataclass(frozen=True)
class AsrConfidenceFilter(RecognisedFilter):
    """Needs `asr_confidence`, the mean probability of the recognised words, from 0.0 to 1.0.

    The default 0.37 is e^-1: Whisper (and faster-whisper) call a decoding failed when its mean log
    probability falls below -1.0 (`logprob_threshold` in openai/whisper's transcribe.py). Words from
    subtitles were not recognised by us, so they have no probability and are kept.
    """

    name: ClassVar[str] = "asr_confidence"
    needs: ClassVar[str] = "asr_confidence"

    minimum: float | None = 0.37


PLUGIN = AsrConfidenceFilter
