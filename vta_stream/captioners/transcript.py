"""What is said, as the caption of what is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vta_stream.domain.clip import Caption
from vta_stream.ports import ClipInputs, Models


@dataclass(frozen=True)
class TranscriptCaptioner:
    """The clip's own text, unchanged but for white space at its ends; None for a clip without text."""

    def setup(self, models: Models) -> None:
        """Nothing to load."""
        return

    def caption(self, batch: Sequence[ClipInputs]) -> Sequence[Caption | None]:
        """One caption a clip, in order."""
        texts = [inputs.clip.text.strip() for inputs in batch]
        return [Caption("transcript", text) if text else None for text in texts]


PLUGIN = TranscriptCaptioner
