"""How fast is the speech?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.ports import ClipInputs
from vta_stream.scorers.base import ClipScorer


@dataclass(frozen=True)
class WordsPerSecondScorer(ClipScorer):
    """Words by the seconds of the clip's span, 0.0 where nobody speaks.

    Counts the words with times, else what stands between spaces in the text; languages that write
    without spaces are counted right only where words have times.
    """

    name: ClassVar[str] = "words_per_second"

    def measure(self, inputs: ClipInputs) -> float | None:
        """Words a second."""
        clip = inputs.clip
        return (len(clip.words) or len(clip.text.split())) / clip.span.duration_s


PLUGIN = WordsPerSecondScorer
