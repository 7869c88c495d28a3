"""Rejects clips whose words do not say what the picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.domain.clip import Clip
from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class ClipMatchFilter(LimitFilter):
    """Needs `clip_match`, the cosine of the text and the best of three frames.

    The default 0.2 is what MindONE's text-to-video curation, after Open-Sora's, asks of a clip before
    captioning (`--matchmin 20`, on a scale of 100). Peers: Data-Juicer's video_frames_text_similarity_filter
    0.1, LAION-5B 0.28 and LAION-400M 0.3 (alt texts describe their picture; narration rarely does).
    All speak of OpenAI's ViT-B/32 or kin: a model with another scale needs another limit. A clip without
    text has nothing to match and is kept here; `speech_ratio` and `words_per_second` judge its silence.
    """

    name: ClassVar[str] = "clip_match"
    needs: ClassVar[str] = "clip_match"

    minimum: float | None = 0.2

    def not_applicable(self, clip: Clip) -> str | None:
        """A clip without text."""
        return None if clip.text.strip() else "the clip has no text"


PLUGIN = ClipMatchFilter
