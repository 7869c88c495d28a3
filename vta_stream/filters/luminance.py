"""Rejects clips that are almost black or almost white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class LuminanceFilter(LimitFilter):
    """Needs `luminance`, the mean Rec. 709 luma of the frames, from 0.0 (black) to 1.0 (white).

    The default minimum is DataFlow's (OpenDCAI, VideoLuminanceFilter `lum_min=20`, of 255). Its `lum_max`
    of 140 (0.55) would reject every slide and every snowy scene, which fit narration well; the default
    maximum of 0.95 is this project's own and rejects fades to white only.
    """

    name: ClassVar[str] = "luminance"
    needs: ClassVar[str] = "luminance"

    minimum: float | None = 20 / 255
    maximum: float | None = 0.95


PLUGIN = LuminanceFilter
