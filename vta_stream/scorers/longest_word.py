"""Did the recogniser leave out what was said?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.ports import ClipInputs
from vta_stream.scorers.base import ClipScorer


@dataclass(frozen=True)
class LongestWordScorer(ClipScorer):
    """Seconds that the longest recognised word of the clip takes.

    A recogniser that skips a phrase has no word for its sound, and the alignment of words and sound gives it to
    the neighbours: a word then lasts as long as a phrase. So does one that was made up over silence.

    Does not apply to words from subtitles, whose times are shared out and not heard, nor to a clip without words.
    """

    name: ClassVar[str] = "longest_word"

    def measure(self, inputs: ClipInputs) -> float | None:
        """Seconds, or None where nothing was recognised."""
        clip = inputs.clip
        if clip.transcript_source != "asr" or not clip.words:
            return None
        return max(word.end_s - word.start_s for word in clip.words)


PLUGIN = LongestWordScorer
