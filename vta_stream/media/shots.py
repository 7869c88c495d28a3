"""Shots from PySceneDetect's detectors, fed frame by frame by our own decode pass."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from vta_stream.domain.clip import Span
from vta_stream.media.shrink import Picture

STILL_RATIO = 8.0
STILL_MIN = 5.0
"""A change of luma by this many levels (of 255), and by this many times its four neighbours' mean, is a cut
too. Slides of a talk differ by 7 to 30 levels and stand still between: ContentDetector misses them."""

DARK_LUMA_MIN = 4.0
"""A cut changes the luma by this many levels at least. The hue of a nearly black pixel is noise, which alone
takes ContentDetector over its threshold (to 67 at a luma change of 1.6 in Big Buck Bunny's first fade)."""

_NOMINAL_FPS = FrameTimecode(0, Fraction(25))
"""The detectors count frames here; times are looked up by frame number, so variable rates are right."""


class _Content(ContentDetector):  # type: ignore[misc]
    """ContentDetector with the frame score handed in: measured once for both detectors, and 10 x as fast."""

    score = 0.0

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Picture) -> float:
        return self.score


class _Adaptive(AdaptiveDetector):  # type: ignore[misc]
    """AdaptiveDetector with the frame score handed in."""

    score = 0.0

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Picture) -> float:
        return self.score


class CutDetector:
    """Finds the cuts of one video. Feed it every frame in order, then read.

    `luma_changes` holds, for every frame, the mean absolute difference of luma to the frame before, in
    levels of 255; 0.0 for the first.
    """

    def __init__(self, threshold: float) -> None:
        # Every cut is wanted here; `shots_between` decides how long a shot has to be.
        self._content = _Content(threshold=threshold, min_scene_len=0)
        self._adaptive = _Adaptive(adaptive_threshold=STILL_RATIO, min_content_val=STILL_MIN, min_scene_len=0)
        self._last: tuple[Picture, Picture] | None = None
        self._found: set[int] = set()
        self.luma_changes = array("f")

    def feed(self, picture: Picture) -> None:
        """Take the next frame: BGR (height, width, 3), all frames of one size."""
        self._content.score, luma_change = self._measure(picture)
        self._adaptive.score = luma_change
        code = FrameTimecode(len(self.luma_changes), _NOMINAL_FPS)
        self.luma_changes.append(luma_change)
        for detector in (self._content, self._adaptive):
            self._found.update(cut.frame_num for cut in detector.process_frame(code, picture))

    def cuts(self) -> list[int]:
        """The numbers of the frames that begin something new, ascending; never the first frame."""
        return sorted(index for index in self._found if index and self.luma_changes[index] >= DARK_LUMA_MIN)

    def _measure(self, picture: Picture) -> tuple[float, float]:
        """ContentDetector's score (mean of hue, saturation, value) and the luma change against the frame before."""
        hsv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), dtype=np.uint8)
        luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        last, self._last = self._last, (hsv, luma)
        if last is None:
            return 0.0, 0.0
        return _mean_difference(hsv, last[0]), _mean_difference(luma, last[1])


def _mean_difference(one: Picture, other: Picture) -> float:
    return cv2.norm(one, other, cv2.NORM_L1) / one.size


def shots_between(cuts_s: Sequence[float], duration_s: float, min_shot_s: float) -> tuple[Span, ...]:
    """The spans between cuts, gapless from 0 to `duration_s`.

    A shot shorter than `min_shot_s` is joined to the one after it, the last one to the one before.
    """
    borders = [0.0]
    for cut_s in cuts_s:
        if cut_s - borders[-1] >= min_shot_s:
            borders.append(cut_s)
    if len(borders) > 1 and duration_s - borders[-1] < min_shot_s:
        borders.pop()
    return tuple(Span(start_s, end_s) for start_s, end_s in zip(borders, [*borders[1:], duration_s], strict=True))
