"""How much of the clip is spoken?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.domain.transcript import union_s
from vta_stream.ports import ClipInputs
from vta_stream.scorers.base import ClipScorer


@dataclass(frozen=True)
class SpeechRatioScorer(ClipScorer):
    """Share of the clip's span during which somebody speaks, from 0.0 to 1.0.

    Words may overlap (two speakers, rolling captions), so their union is measured, never their sum, and
    only what lies within the span. A clip without text is silent (0.0), not unknown; text whose words
    have no times leaves the score out.
    """

    name: ClassVar[str] = "speech_ratio"

    def measure(self, inputs: ClipInputs) -> float | None:
        """The share, or None where the words have no times."""
        clip = inputs.clip
        if clip.text.strip() and not clip.words:
            return None
        span = clip.span
        spoken = [(max(word.start_s, span.start_s), min(word.end_s, span.end_s)) for word in clip.words]
        return min(1.0, union_s(spoken) / span.duration_s)


PLUGIN = SpeechRatioScorer
