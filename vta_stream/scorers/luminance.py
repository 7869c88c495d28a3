"""How bright is the picture?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.ports import ClipInputs
from vta_stream.scorers.base import ClipScorer, MeasurementError, luma


@dataclass(frozen=True)
class LuminanceScorer(ClipScorer):
    """Mean Rec. 709 luma of all sampled frames, from 0.0 (black) to 1.0 (white)."""

    name: ClassVar[str] = "luminance"

    def measure(self, inputs: ClipInputs) -> float | None:
        """The mean of the frames' means."""
        if not inputs.images:
            raise MeasurementError("there are no frames")
        return sum(float(luma(image).mean()) for image in inputs.images) / len(inputs.images) / 255


PLUGIN = LuminanceScorer
