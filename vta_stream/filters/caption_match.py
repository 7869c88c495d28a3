"""Rejects clips whose generated caption does not fit the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vta_stream.domain.clip import Clip
from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class CaptionMatchFilter(LimitFilter):
    """Needs `caption_match`, the best match among the captions that a model wrote.

    The default 0.2 is MindONE's, after Open-Sora's, for captioned clips (`--matchmin 20`, of 100; step 5.4
    of its data pipeline). Where no model writes captions, there is nothing to judge.
    """

    name: ClassVar[str] = "caption_match"
    needs: ClassVar[str] = "caption_match"
    after: ClassVar[Literal["score", "caption"]] = "caption"

    minimum: float | None = 0.2

    def not_applicable(self, clip: Clip) -> str | None:
        """A clip that no model captioned."""
        generated = any(caption.model is not None for caption in clip.captions)
        return None if generated else "no model wrote a caption"


PLUGIN = CaptionMatchFilter
