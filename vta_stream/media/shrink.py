"""Small pictures for the detectors, as cheaply as can be: every frame of every video goes through here."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter

SMALL_LONG_SIDE_PX = 256
"""The detectors see frames of this size, as in PySceneDetect, to which its thresholds are tuned."""

_PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
_FULL_RANGE = 2

_LEVELS = np.arange(256, dtype=np.float64)[:, None]
_TO_FULL_RANGE = np.clip(
    np.rint(np.hstack([(_LEVELS - 16) * 255 / 219, *[(_LEVELS - 128) * 255 / 224 + 128] * 2])), 0, 255
).astype(np.uint8)[None]
"""Limited to full range, for the channels Y, Cr and Cb."""


class Shrinker:
    """Makes BGR pictures of one size, the first frame's with its long side at `SMALL_LONG_SIDE_PX` at most.

    Common 8-bit formats are sampled straight from the decoder's planes, without a copy: a third of the time
    swscale takes. All others go through swscale; both sample two pixels by two, as OpenCV does by default.
    """

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._reformatter = VideoReformatter()

    def shrink(self, frame: VideoFrame) -> npt.NDArray[np.uint8]:
        """The frame as BGR (height, width, 3), neither turned nor with square pixels."""
        if self._size is None:
            scale = min(1.0, SMALL_LONG_SIDE_PX / max(frame.width, frame.height))
            self._size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        planes = frame.planes if frame.format.name in _PLANAR else ()
        if not planes or any(plane.line_size < plane.width for plane in planes):
            small = self._reformatter.reformat(
                frame, *self._size, "bgr24", interpolation=Interpolation.FAST_BILINEAR, threads=1
            )
            return np.asarray(small.to_ndarray(), dtype=np.uint8)
        luma, blue, red = (cv2.resize(_pixels(plane), self._size) for plane in planes)
        picture = cv2.merge([luma, red, blue])
        if frame.color_range != _FULL_RANGE and not frame.format.name.startswith("yuvj"):
            picture = cv2.LUT(picture, _TO_FULL_RANGE)
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_YCrCb2BGR), dtype=np.uint8)


def _pixels(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    rows = np.asarray(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return np.asarray(rows[: plane.height, : plane.width])
