"""Rejects clips whose words the recogniser was unsure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.domain.clip import Clip
from vta_stream.filters.base import LimitFilter, not_recognised


@dataclass(frozen=True)
class AsrConfidenceFilter(LimitFilter):
    """Needs `asr_confidence`, the mean probability of the recognised words, from 0.0 to 1.0.

    The default 0.37 is e^-1: Whisper (and faster-whisper) call a decoding failed when its mean log
    probability falls below -1.0 (`logprob_threshold` in openai/whisper's transcribe.py). Words from
    subtitles were not recognised by us, so they have no probability and are kept.
    """

    name: ClassVar[str] = "asr_confidence"
    needs: ClassVar[str] = "asr_confidence"

    minimum: float | None = 0.37

    def not_applicable(self, clip: Clip) -> str | None:
        """A clip whose words were not recognised, or that has none."""
        return not_recognised(clip)


PLUGIN = AsrConfidenceFilter
