"""Rejects clips that show more than one shot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class ShotPurityFilter(LimitFilter):
    """Needs `shot_purity`, the share of the clip within its longest shot, measured by segment.

    Movie Gen (Polyak et al. 2024, on its pre-training data) keeps clips of a single shot. Segment cuts
    inside shots; what is left are cuts too close together to make shots. The default 0.9 forgives one
    within the padding (0.15 s of a clip of 2 s) and rejects montage and flashes.
    """

    name: ClassVar[str] = "shot_purity"
    needs: ClassVar[str] = "shot_purity"

    minimum: float | None = 0.9


PLUGIN = ShotPurityFilter
