"""Small pictures of frames: shape, colour, and no aliasing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from vta_stream.media.shrink import Downscaler, Picture, Shrinker

LIMITED, FULL = 1, 2
BT_709, UNSPECIFIED, BT_601, BT_2020 = 1, 2, 6, 9


def ramp() -> Picture:
    """RGB, with changes of colour along both sides and one hard edge."""
    picture = np.zeros((360, 640, 3), dtype=np.uint8)
    picture[:, :, 0] = np.linspace(0, 255, 640, dtype=np.uint8)
    picture[:, :, 1] = np.linspace(0, 255, 360, dtype=np.uint8)[:, None]
    picture[:180, :, 2] = 200
    return picture


def difference(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "rgb24", "gray"])
def test_they_look_the_same_in_every_format(pixel_format: str) -> None:
    picture = ramp()
    if pixel_format == "gray":
        picture[:] = picture[:, :, :1]
    frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)
    expected = cv2.resize(picture, (256, 144), interpolation=cv2.INTER_AREA)[:, :, ::-1]
    for small in Shrinker().shrink(frame), Downscaler().downscale(frame, (256, 144)):
        assert small.shape == (144, 256, 3)
        assert difference(small, expected) < 3


@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("colorspace", [BT_709, UNSPECIFIED, BT_601, BT_2020])
def test_the_colours_are_those_that_the_frame_says_it_has(colorspace: int, color_range: int) -> None:
    frame = VideoFrame.from_ndarray(ramp(), format="rgb24").reformat(format="yuv444p")
    frame.colorspace, frame.color_range = colorspace, color_range
    expected = frame.reformat(320, 180, "bgr24", interpolation=Interpolation.AREA).to_ndarray()
    assert difference(Downscaler().downscale(frame, (320, 180)), expected) < 0.6


@pytest.mark.parametrize("size", [(455, 256), (320, 180), (256, 144), (99, 101), (1, 1)])
def test_fine_lines_become_gray(size: tuple[int, int]) -> None:
    """Two pixels of three by two of three would be left of a picture whose lines are one pixel wide."""
    lines = np.zeros((1080, 1920, 3), dtype=np.uint8)
    lines[::2] = 255
    frame = VideoFrame.from_ndarray(lines, format="rgb24").reformat(format="yuv420p")
    small = Downscaler().downscale(frame, size)
    assert small.shape == (size[1], size[0], 3)
    assert np.abs(small.astype(int) - 128).max() < 8


def test_enlarged_and_odd_pictures_keep_their_shape() -> None:
    frame = VideoFrame.from_ndarray(ramp()[:35, :63], format="rgb24").reformat(format="yuv420p")
    for size in (126, 35), (63, 35), (21, 11):
        assert Downscaler().downscale(frame, size).shape == (size[1], size[0], 3)
