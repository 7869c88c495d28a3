"""How sure was the recogniser of the words?"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from vta_stream.ports import ClipInputs
from vta_stream.scorers.base import ClipScorer, MeasurementError


@dataclass(frozen=True)
class AsrConfidenceScorer(ClipScorer):
    """Mean probability of the clip's words, from 0.0 to 1.0.

    Does not apply to words from subtitles, nor to a clip without words. Recognised words of which none
    has a probability are a failure.
    """

    name: ClassVar[str] = "asr_confidence"

    def measure(self, inputs: ClipInputs) -> float | None:
        """The mean, or None where nothing was recognised."""
        clip = inputs.clip
        if clip.transcript_source != "asr" or not clip.words:
            return None
        probabilities = [word.probability for word in clip.words if word.probability is not None]
        if not probabilities:
            raise MeasurementError("the recogniser gave no probabilities")
        return fmean(probabilities)


PLUGIN = AsrConfidenceScorer
