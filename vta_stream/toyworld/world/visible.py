"""How well something can be seen: measures on rendered pictures.

A shape of the backdrop's lightness that trembles by a pixel moves, and nobody sees it; a cut between two pictures that
look alike is none. Such scenes would be unfair examples of what they are, so films leave them out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from vta_stream.toyworld.world.picture import render
from vta_stream.toyworld.world.scene import Scene

_SMALL = 256, 144
_SHARP = 455, 256
_STEP_S = 1 / 15
_PARTS, _MOMENTS = 4, 4

MOTION_MIN, MOTION_MAX = 2.0, 40.0
"""Change of the luma in levels (of 255) a second: well above the 1.0 under which nothing seems to move, since a film
loses some of it."""
EDGES_MIN = 18.0
"""Variance of the Laplacian at a height of 256 px: films lose some of it, and below 10 a picture counts as blurred."""
CUT_MIN = 20.0
"""Change of the luma, in levels, from one shot's last picture to the next one's first."""

Luma = npt.NDArray[np.float32]


def motion(scene: Scene) -> tuple[float, float]:
    """Change of the luma, in levels a second: the mean of the calmest quarter of the scene, and of the liveliest.

    A clip is a part of a scene, so each part has to move.
    """
    latest_s = scene.duration_s - _STEP_S
    changes = [
        np.abs(_luma(render(scene, time_s + _STEP_S), _SMALL) - _luma(render(scene, time_s), _SMALL)).mean()
        for time_s in np.linspace(0, latest_s, _PARTS * _MOMENTS)
    ]
    means = np.reshape(changes, (_PARTS, _MOMENTS)).mean(axis=1) / _STEP_S
    return float(means.min()), float(means.max())


def edges(scene: Scene) -> float:
    """Variance of the Laplacian of the luma in the middle of the scene."""
    luma = _luma(render(scene, scene.duration_s / 2), _SHARP)
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    return float(laplacian.var())


def difference(before: Scene, after: Scene) -> float:
    """Mean change of the luma, in levels, at a cut from one scene's end to the other's begin."""
    last, first = _luma(render(before, before.duration_s), _SMALL), _luma(render(after, 0.0), _SMALL)
    return float(np.abs(last - first).mean())


def _luma(picture: Image.Image, size: tuple[int, int]) -> Luma:
    return np.asarray(picture.convert("L").resize(size, Image.Resampling.BILINEAR), dtype=np.float32)
