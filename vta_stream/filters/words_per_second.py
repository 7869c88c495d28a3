"""Rejects clips with hardly any words, and clips with more than a person can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class WordsPerSecondFilter(LimitFilter):
    """Needs `words_per_second`, the words of the clip by its length.

    The default minimum of 0.5 is FineVideo's word density (Hugging Face, "FineVideo: behind the scenes",
    2024). The default maximum of 6.0 is `high_wordrate_threshold` in NVIDIA's NeMo speech data processor's
    multi-language configuration: a higher rate means that the text is not what was said.
    """

    name: ClassVar[str] = "words_per_second"
    needs: ClassVar[str] = "words_per_second"
    unit: ClassVar[str] = " words/s"

    minimum: float | None = 0.5
    maximum: float | None = 6.0


PLUGIN = WordsPerSecondFilter
