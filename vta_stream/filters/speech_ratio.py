"""Rejects clips in which hardly anybody speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.domain.clip import Clip
from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class SpeechRatioFilter(LimitFilter):
    """Needs `speech_ratio`, the share of the clip during which somebody speaks, from 0.0 to 1.0.

    No peer publishes a limit; the default 0.2 is this project's own: a clip is cut round its words, so
    that below a fifth most of it was padded with silence, or the cues are not its own. Set `minimum: 0`
    here and in `words_per_second` to keep silent clips. Does not apply where words have no times.
    """

    name: ClassVar[str] = "speech_ratio"
    needs: ClassVar[str] = "speech_ratio"

    minimum: float | None = 0.2

    def not_applicable(self, clip: Clip) -> str | None:
        """A clip with text but without the times of its words."""
        return "the words have no times" if clip.text.strip() and not clip.words else None


PLUGIN = SpeechRatioFilter
