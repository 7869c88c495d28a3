"""Does the text say what the picture shows?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.ports import ClipInputs, Models
from vta_stream.scorers.base import ClipScorer, best_match


@dataclass(frozen=True)
class ClipMatchScorer(ClipScorer):
    """Cosine of the clip's text and the best of its first, middle and last frame, -1.0 to 1.0, unscaled.

    The text is cut at the model's context length (77 tokens, about 50 words, of CLIP). Does not apply to
    a clip without text.
    """

    name: ClassVar[str] = "clip_match"

    def setup(self, models: Models) -> None:
        """Load the image-text model."""
        models.image_text().setup()

    def measure(self, inputs: ClipInputs) -> float | None:
        """The cosine, or None without text."""
        text = inputs.text_embedding()
        return None if text is None else best_match(inputs.frame_embeddings(), text)


PLUGIN = ClipMatchScorer
