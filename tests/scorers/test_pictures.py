"""Sharpness and luminance, on pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.scorers.inputs import Given, frames
from vta_stream.plugins import load_scorers
from vta_stream.scorers.sharpness import laplacian_variance


def measured(name: str, images: list[np.ndarray], **options: object) -> float:
    (scores,) = load_scorers({name: options})[name].score([Given(images=images)])
    return scores.values[name]


def flat(*rgb: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), rgb, dtype=np.uint8)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [((0, 0, 0), 0.0), ((255, 255, 255), 1.0), ((255, 0, 0), 0.2126), ((0, 255, 0), 0.7152), ((0, 0, 255), 0.0722)],
)
def test_luminance_is_rec_709(rgb: tuple[int, int, int], expected: float) -> None:
    assert measured("luminance", [flat(*rgb)] * 3) == pytest.approx(expected, abs=1e-6)


def test_luminance_is_the_mean_of_all_frames() -> None:
    assert measured("luminance", [flat(0, 0, 0), flat(255, 255, 255), flat(255, 255, 255)]) == pytest.approx(2 / 3)


def test_the_laplacian_is_opencvs() -> None:
    grey = np.random.default_rng(5).integers(0, 256, (40, 57)).astype(np.float32)
    assert laplacian_variance(grey) == pytest.approx(cv2.Laplacian(grey.astype(np.float64), cv2.CV_64F).var())


def test_blur_lowers_sharpness_and_flat_is_zero() -> None:
    sharp = frames()
    blurred = [np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(3))) for each in sharp]
    assert measured("sharpness", sharp) > 10 * measured("sharpness", blurred) > 0
    assert measured("sharpness", [flat(10, 200, 30)]) == pytest.approx(0, abs=1e-4)


def test_one_sharp_frame_does_not_save_a_blurred_clip() -> None:
    sharp = frames(count=1)[0]
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(3)))
    assert measured("sharpness", [sharp, blurred, blurred]) == measured("sharpness", [blurred])


def test_size_hardly_matters() -> None:
    small = np.asarray(Image.fromarray(frames(count=1)[0]).resize((480, 360), Image.Resampling.BICUBIC))
    large = np.asarray(Image.fromarray(small).resize((1920, 1440), Image.Resampling.BICUBIC))
    assert measured("sharpness", [large]) == pytest.approx(measured("sharpness", [small]), rel=0.25)


def test_the_size_is_an_option() -> None:
    assert measured("sharpness", frames(), short_side_px=48) > measured("sharpness", frames(), short_side_px=96)
