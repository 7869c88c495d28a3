"""How sharp is the picture?"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, ClassVar

from vta_stream.ports import ClipInputs
from vta_stream.scorers.base import ClipScorer, MeasurementError, luma

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class SharpnessScorer(ClipScorer):
    """Variance of the Laplacian of the luma (0 to 255), the median of all sampled frames.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000; same kernel and
    borders as OpenCV's `Laplacian(image, CV_64F).var()`. It grows with resolution, so every frame is first
    brought to a short side of `short_side_px` pixels.
    """

    name: ClassVar[str] = "sharpness"

    short_side_px: int = 256

    def __post_init__(self) -> None:
        if self.short_side_px < 16:
            raise ValueError(f"short_side_px has to be 16 or more, not {self.short_side_px}")

    def measure(self, inputs: ClipInputs) -> float | None:
        """The median of the frames' variances, 0.0 for flat colour."""
        if not inputs.images:
            raise MeasurementError("there are no frames")
        return median(laplacian_variance(self._resized(luma(image))) for image in inputs.images)

    def _resized(self, grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        import numpy as np
        from PIL import Image

        height, width = grey.shape
        scale = self.short_side_px / min(height, width)
        if scale == 1:
            return grey
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        # Pillow's bilinear widens its support when it shrinks, so fine texture does not alias into edges.
        return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))


def laplacian_variance(grey: npt.NDArray[np.float32]) -> float:
    """Variance of the 4-neighbour Laplacian of a (height, width) picture, borders mirrored without the edge."""
    import numpy as np

    padded = np.pad(grey.astype(np.float64), 1, mode="reflect")
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * padded[1:-1, 1:-1]
    return float(laplacian.var())


PLUGIN = SharpnessScorer
