"""Files with one thing odd about each, made by code."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.media.synthetic import beeps, write_video

LENGTH_S = 4
RATE = 25


def make_bad_files(folder: Path) -> dict[str, Path]:
    """Name -> file. But for the first two, all of them are whole, and 4 seconds long."""
    folder.mkdir(parents=True, exist_ok=True)
    steady = [Fraction(number, RATE) for number in range(LENGTH_S * RATE)]
    pictures = _drifting(len(steady))
    plain = write_video(folder / "plain.mp4", pictures, steady, sound=beeps([1.0], LENGTH_S))
    empty, truncated = folder / "empty.mp4", folder / "truncated.mp4"
    empty.touch()
    truncated.write_bytes(plain.read_bytes()[: plain.stat().st_size // 2])
    return {
        "empty": empty,
        "truncated": truncated,
        "without_speech": plain,
        "video_only": write_video(folder / "video_only.mp4", pictures, steady),
        "rotated": write_video(folder / "rotated.mp4", pictures, steady, rotation_deg=90),
        "ten_bit": write_video(folder / "ten_bit.mp4", pictures, steady, pixel_format="yuv420p10le"),
        "variable_rate": write_video(folder / "variable_rate.mp4", pictures, uneven(len(steady))),
    }


def uneven(count: int) -> list[Fraction]:
    """Times that are 20 ms apart and 60 ms apart in turn: as many pictures in the same time, but no steady rate."""
    return [Fraction(number // 2 * 80 + number % 2 * 20, 1000) for number in range(count)]


def _drifting(count: int) -> Sequence[npt.NDArray[np.uint8]]:
    """A picture of large soft-coloured squares that moves by two pixels a frame: motion, and no cut."""
    grain = np.random.default_rng(0).integers(60, 200, (9, 16, 3), dtype=np.uint8)
    whole = np.kron(grain, np.ones((20, 20, 1), dtype=np.uint8))
    return [np.roll(whole, 2 * number, axis=1) for number in range(count)]
