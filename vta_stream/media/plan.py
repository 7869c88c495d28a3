"""Which source frame each frame of a cut shows: decided before anything is decoded again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from vta_stream.domain.clip import Span
from vta_stream.media.clock import Timeline

ROUNDING_S = 0.0015
"""Containers round times to whole milliseconds, clip IDs too; closer than this is the same instant."""


@dataclass(frozen=True)
class CutPlan:
    """A constant-rate copy of a span. Frame k shows the source frame of time `sources_s[k]`, for 1 / `rate`.

    Clips have a constant rate, because trainers index frames by number and take time as number / rate. A
    source of constant rate is copied frame by frame. A variable one keeps its usual rate: a frame that
    stands longer is repeated, and what comes faster is left out.

    `start_s` is the video's time at the clip's zero: the beginning of the frame that is on screen at
    `asked.start_s`, so that picture and sound keep their distance exactly.
    """

    asked: Span
    start_s: float
    rate: Fraction
    sources_s: npt.NDArray[np.float64]

    @property
    def frame_count(self) -> int:
        """Frames of the clip, at least one."""
        return len(self.sources_s)

    @property
    def duration_s(self) -> float:
        """Exact length of the clip in seconds."""
        return float(self.frame_count / self.rate)


def plan_cut(timeline: Timeline, asked: Span) -> CutPlan:
    """The plan for `asked`. It begins less than a frame before and ends less than a frame after.

    What lies beyond the last frame cannot be had: the plan ends with the video. ValueError if `asked` does
    not overlap the video.
    """
    if asked.start_s >= timeline.end_s:
        raise ValueError(f"{asked} begins after the video's end at {timeline.end_s} s")
    times_s, rate = timeline.times_s, timeline.rate
    rounding_s = min(ROUNDING_S, timeline.interval_s / 4)
    first = max(0, int(np.searchsorted(times_s, asked.start_s + rounding_s, "right")) - 1)
    end_s = min(asked.end_s, timeline.end_s) - rounding_s
    last = max(first, int(np.searchsorted(times_s, end_s, "left")) - 1)
    start_s = float(times_s[first])
    if asked.start_s - start_s > 1.5 * timeline.interval_s:
        start_s = asked.start_s  # that frame stands still for a while; join it where the clip begins
    count = max(1, math.ceil((end_s - start_s) * rate))
    # The nearest frame, not the latest: times that are rounded fall on both sides of the exact instant.
    instants_s = start_s + (np.arange(count) + 0.5) / float(rate)
    shown = np.clip(np.searchsorted(times_s, instants_s, "right") - 1, first, last)
    return CutPlan(asked, start_s, rate, times_s[shown])
