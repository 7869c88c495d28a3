"""Rejects clips that are too short to show anything, or too long for one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.filters.base import LimitFilter


@dataclass(frozen=True)
class DurationFilter(LimitFilter):
    """Needs `duration`, the seconds that were really cut.

    The defaults are Panda-70M's (Chen et al. 2024, appendix on its splitting): clips under 2 seconds are
    dropped, and 60 seconds is the longest. What is cut in the first place is set under `segment`.
    """

    name: ClassVar[str] = "duration"
    needs: ClassVar[str] = "duration"
    unit: ClassVar[str] = " s"

    minimum: float | None = 2.0
    maximum: float | None = 60.0


PLUGIN = DurationFilter
