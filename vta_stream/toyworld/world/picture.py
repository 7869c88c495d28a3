"""Pictures of scenes, and what is in each patch of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from vta_stream.toyworld.world.scene import HEIGHT_PX, WIDTH_PX, Backdrop, Placed, Scene, placed
from vta_stream.toyworld.world.shapes import mask
from vta_stream.toyworld.world.vocabulary import COLOURS, SHAPES, SIZES

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Share = npt.NDArray[np.float32]

_MARGIN_PX = 64  # of backdrop round the picture, for the camera to move over
_COVERED_SHARE = 0.05  # of a patch, from which on it shows the shape: a small star covers no patch by a tenth


@dataclass(frozen=True, slots=True)
class PatchTruth:
    """Each array is rows x columns. 0 is backdrop; n is the n-th of COLOURS, SHAPES, SIZES, from 1 on."""

    colour: Labels
    shape: Labels
    size: Labels


def render(scene: Scene, time_s: float) -> Image.Image:
    """The picture at a time, 640x360 RGB."""
    picture = _view(scene, time_s)
    for one in placed(scene, time_s):
        group = scene.groups[one.group]
        colour = tuple(min(255, round(value * scene.light)) for value in COLOURS[group.colour])
        shape, corner = _stamp(group.shape, one)
        picture.paste(colour, (corner[0], corner[1], corner[0] + shape.width, corner[1] + shape.height), shape)
    return picture


def render_frame(scene: Scene, time_s: float) -> Pixels:
    """The picture at a time as an array of 360 x 640 x 3."""
    return np.asarray(render(scene, time_s))


def patch_truth(scene: Scene, time_s: float, rows: int, columns: int) -> PatchTruth:
    """What each patch of the picture shows, when it is divided into rows x columns of patches.

    A patch shows the group in front of all that cover more than a twentieth of it; else the backdrop.
    """
    cover = np.zeros((len(scene.groups), rows, columns))
    for one in placed(scene, time_s):
        shape, corner = _stamp(scene.groups[one.group].shape, one)
        layer = Image.new("L", (WIDTH_PX, HEIGHT_PX))
        layer.paste(shape, corner)
        cover[one.group] += np.asarray(layer.resize((columns, rows), Image.Resampling.BOX), dtype=np.float64) / 255
    winner = np.zeros((rows, columns), dtype=np.int64)
    for index, share in enumerate(cover):
        winner[share > _COVERED_SHARE] = index + 1
    groups = scene.groups
    return PatchTruth(
        colour=np.array([0, *(1 + list(COLOURS).index(group.colour) for group in groups)])[winner],
        shape=np.array([0, *(1 + SHAPES.index(group.shape) for group in groups)])[winner],
        size=np.array([0, *(1 + list(SIZES).index(group.size) for group in groups)])[winner],
    )


def _stamp(shape: str, one: Placed) -> tuple[Image.Image, tuple[int, int]]:
    """The mask of a shape, and where its upper left corner goes."""
    column, phase_x = divmod(round(one.x * 4), 4)
    row, phase_y = divmod(round(one.y * 4), 4)
    stamp = mask(shape, round(one.radius_px * 4), round(one.angle_deg) % 360, phase_x, phase_y)
    return stamp, (column - stamp.width // 2, row - stamp.height // 2)


def _view(scene: Scene, time_s: float) -> Image.Image:
    """What the camera shows of the backdrop."""
    part = time_s / scene.duration_s - 0.5
    scale = 1 + (scene.camera.zoom - 1) * time_s / scene.duration_s
    wide, high = WIDTH_PX / scale, HEIGHT_PX / scale
    left = _MARGIN_PX + (WIDTH_PX - wide) / 2 + scene.camera.pan_x_px * part / scale
    top = _MARGIN_PX + (HEIGHT_PX - high) / 2 + scene.camera.pan_y_px * part / scale
    whole = _paint(scene.backdrop, scene.light)
    if scene.camera.zoom == 1.0:
        return whole.crop((round(left), round(top), round(left) + WIDTH_PX, round(top) + HEIGHT_PX))
    return whole.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + high))


@lru_cache(maxsize=8)
def _paint(backdrop: Backdrop, light: float) -> Image.Image:
    """The whole backdrop, larger than the picture, with light that falls off to one side."""
    rng = np.random.default_rng(backdrop.seed)
    wide, high = WIDTH_PX + 2 * _MARGIN_PX, HEIGHT_PX + 2 * _MARGIN_PX
    turn, pitch_px = rng.uniform(0, 2 * np.pi), rng.uniform(36, 90)
    blend = _pattern(backdrop.pattern, wide, high, turn, pitch_px, rng)
    along = _along(wide, high, turn)
    fall = light * (1.06 - 0.12 * (along - along.min()) / np.ptp(along))
    first, second = (np.array(colour, dtype=np.float32) for colour in (backdrop.first, backdrop.second))
    base = (first + (second - first) * blend[..., None]) * fall[..., None]
    base += 2 * rng.standard_normal((high, wide, 1), dtype=np.float32)  # grain
    return Image.fromarray(np.clip(base, 0, 255, out=base).astype(np.uint8))


def _pattern(name: str, wide: int, high: int, turn: float, pitch_px: float, rng: np.random.Generator) -> Share:
    """How much of the second colour there is at each pixel, 0 to 1."""
    x, y = (np.arange(size, dtype=np.float32) * np.float32(np.pi / pitch_px) for size in (wide, high))
    match name:
        case "gradient":
            along = _along(wide, high, turn)
            return np.asarray((along - along.min()) / np.ptp(along), dtype=np.float32)
        case "stripes":
            return _soft(np.sin(np.float32(2 * np.pi / pitch_px) * _along(wide, high, turn)), pitch_px)
        case "checks":
            return _soft(np.sin(x) * np.sin(y)[:, None], pitch_px)
        case "dots":
            return _soft(np.cos(2 * x) + np.cos(2 * y)[:, None] - np.float32(1.1), pitch_px)
        case "clouds":
            small = Image.fromarray((rng.random((7, 12)) * 255).astype(np.uint8))
            return np.asarray(small.resize((wide, high), Image.Resampling.BICUBIC), dtype=np.float32) / np.float32(255)
        case _:
            return np.zeros((high, wide), dtype=np.float32)


def _along(wide: int, high: int, turn: float) -> Share:
    """How far each pixel lies in a direction."""
    x, y = np.arange(wide, dtype=np.float32), np.arange(high, dtype=np.float32)[:, None]
    return np.asarray(np.cos(turn) * x + np.sin(turn) * y, dtype=np.float32)


def _soft(wave: Share, pitch_px: float) -> Share:
    """0 or 1 by the sign of a wave, with edges about 2 px wide."""
    return np.asarray(np.clip(wave * (pitch_px / 12) + 0.5, 0, 1), dtype=np.float32)
