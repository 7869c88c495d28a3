"""Small pictures: for the detectors as cheaply as can be, for models and people in the frame's own colours."""

from __future__ import annotations

from functools import lru_cache

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
_LUMA_GAIN, _CHROMA_GAIN = 255 / 219, 255 / 224
"""From limited range, luma from 16 and chroma about 128, to the full one."""

_BT_601, _BT_709 = (0.299, 0.114), (0.2126, 0.0722)
_WEIGHTS = {1: _BT_709, 2: _BT_601, 5: _BT_601, 6: _BT_601}
"""Shares of red and blue in luma, by ffmpeg's number of the colour space; 2 is "unspecified", as swscale takes it."""

Picture = npt.NDArray[np.uint8]


class Shrinker:
    """Makes BGR pictures of one size, the first frame's with its long side at `SMALL_LONG_SIDE_PX` at most.

    Common 8-bit formats are sampled straight from the decoder's planes, without a copy: a third of the time
    swscale takes. All others go through swscale; both sample two pixels by two, as OpenCV does by default. All are
    taken for BT.601: to the detectors it is all one.
    """

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._reformatter = VideoReformatter()

    def shrink(self, frame: VideoFrame) -> Picture:
        """The frame as BGR (height, width, 3), neither turned nor with square pixels."""
        if self._size is None:
            scale = min(1.0, SMALL_LONG_SIDE_PX / max(frame.width, frame.height))
            self._size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        planes = _planes(frame)
        if not planes:
            small = self._reformatter.reformat(
                frame, *self._size, "bgr24", interpolation=Interpolation.FAST_BILINEAR, threads=1
            )
            return np.asarray(small.to_ndarray(), dtype=np.uint8)
        luma, blue, red = (cv2.resize(plane, self._size) for plane in planes)
        if not _has_full_range(frame):
            luma = cv2.addWeighted(luma, _LUMA_GAIN, luma, 0, -16 * _LUMA_GAIN)
            blue, red = (cv2.addWeighted(one, _CHROMA_GAIN, one, 0, 128 - 128 * _CHROMA_GAIN) for one in (blue, red))
        return np.asarray(cv2.cvtColor(cv2.merge([luma, red, blue]), cv2.COLOR_YCrCb2BGR), dtype=np.uint8)


class Downscaler:
    """Makes BGR pictures of any size, smooth, and with the colours that the frame says it has.

    To half the size or less, planes of common 8-bit formats are made smaller each, and mixed then: 0.5 to 0.9 of the
    time that swscale's area averaging takes, from which they differ by half a level. All others go through that.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def downscale(self, frame: VideoFrame, size: tuple[int, int]) -> Picture:
        """The frame as BGR (height, width, 3), not turned; `size` is (width, height)."""
        planes, weights = _planes(frame), _WEIGHTS.get(frame.colorspace)
        if not planes or not weights or 2 * size[0] > frame.width or 2 * size[1] > frame.height:
            small = self._reformatter.reformat(frame, *size, "bgr24", interpolation=Interpolation.AREA, threads=1)
            return np.asarray(small.to_ndarray(), dtype=np.uint8)
        pixels = cv2.merge([_smaller(plane, size) for plane in planes])
        return np.asarray(cv2.transform(pixels, _to_bgr(*weights, _has_full_range(frame))), dtype=np.uint8)


def _planes(frame: VideoFrame) -> list[Picture]:
    """Views of luma, blue and red difference; none for a format that is not made of three planes of bytes."""
    planes = frame.planes if frame.format.name in _PLANAR else ()
    return [] if any(plane.line_size < plane.width for plane in planes) else [_pixels(plane) for plane in planes]


def _pixels(plane: VideoPlane) -> Picture:
    rows = np.asarray(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return np.asarray(rows[: plane.height, : plane.width])


def _has_full_range(frame: VideoFrame) -> bool:
    return frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")


def _smaller(plane: Picture, size: tuple[int, int]) -> cv2.typing.MatLike:
    """The plane in that size: each pixel the mean of four that are interpolated, so that fine lines become gray."""
    small: cv2.typing.MatLike = plane
    while small.shape[1] >= 4 * size[0] and small.shape[0] >= 4 * size[1]:
        small = cv2.resize(small, (small.shape[1] // 2, small.shape[0] // 2), interpolation=cv2.INTER_AREA)
    if small.shape[1] > size[0]:
        small = cv2.resize(small, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_LINEAR)
        return cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)


@lru_cache
def _to_bgr(red: float, blue: float, full_range: bool) -> npt.NDArray[np.float64]:
    """The (3, 4) matrix from (luma, blue difference, red difference, 1) to BGR, all of 0 to 255; ITU-T H.273, 8.3."""
    green = 1 - red - blue
    of_blue, of_red = 2 * (1 - blue), 2 * (1 - red)
    mix = np.array([[1, of_blue, 0], [1, -of_blue * blue / green, -of_red * red / green], [1, 0, of_red]])
    if not full_range:
        mix *= [_LUMA_GAIN, _CHROMA_GAIN, _CHROMA_GAIN]
    zeros = [0 if full_range else 16, 128, 128]
    return np.column_stack([mix, -mix @ zeros])
