"""Rejects clips in which nothing moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class MotionFilter(LimitFilter):
    """Needs `motion`, the picture's change in luma levels (of 255) a second, measured by segment.

    Peers filter on other measures (NVIDIA's NeMo Curator 0.00098 on codec motion vectors, Data-Juicer 0.25
    on Farneback's optical flow), so the default 1.0 was measured on the test media: still slides have 0.0
    to 0.1, a ticking time code on flat colour 2.2, the calmest filmed scene 7.
    """

    name: ClassVar[str] = "motion"
    needs: ClassVar[str] = "motion"
    unit: ClassVar[str] = " levels/s"

    minimum: float | None = 1.0


PLUGIN = MotionFilter
