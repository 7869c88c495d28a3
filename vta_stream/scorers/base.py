"""What scorers share: clip by clip, with failures that stay with their clip."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from vta_stream.domain.scores import Scores
from vta_stream.ports import ClipInputs, Models

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class MeasurementError(Exception):
    """A measurement that cannot be made of this clip; the text is the reason that gets recorded."""


@dataclass(frozen=True)
class ClipScorer(ABC):
    """A scorer of one number a clip, called `name`."""

    name: ClassVar[str]

    def setup(self, models: Models) -> None:
        """Nothing to load; a scorer that asks `inputs` for embeddings sets the model up here."""
        return

    def score(self, batch: Sequence[ClipInputs]) -> Sequence[Scores]:
        """One `Scores` a clip, in order, each with the name measured, failed, or left out."""
        return [self._score_one(inputs) for inputs in batch]

    @abstractmethod
    def measure(self, inputs: ClipInputs) -> float | None:
        """The number; None where the measurement does not apply. Raises MeasurementError where it fails."""

    def _score_one(self, inputs: ClipInputs) -> Scores:
        try:
            value = self.measure(inputs)
        except (MeasurementError, ArithmeticError, ValueError) as error:
            return Scores(failures={self.name: str(error) or type(error).__name__})
        if value is None:
            return Scores()
        if not math.isfinite(value):
            return Scores(failures={self.name: f"the measurement gave {value}"})
        return Scores(values={self.name: float(value)})


def luma(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Rec. 709 luma of an RGB picture (height, width, 3), 0 to 255, of the gamma-coded values."""
    import numpy as np

    weights = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    return np.asarray(image.astype(np.float32) @ weights, dtype=np.float32)


def best_match(frames: npt.NDArray[np.float32], text: npt.NDArray[np.float32]) -> float:
    """Cosine, -1.0 to 1.0, of `text` (dim,) and the best of the first, middle and last row of `frames`.

    Three frames, so that a clip with more frames is not judged by more chances. Rows need not be
    normalised. Raises ValueError without frames.
    """
    import numpy as np

    if len(frames) == 0:
        raise ValueError("there are no frames")
    chosen = frames[sorted({0, len(frames) // 2, len(frames) - 1})]
    lengths = np.linalg.norm(chosen, axis=1) * np.linalg.norm(text)
    return float(np.max(chosen @ text / lengths))
