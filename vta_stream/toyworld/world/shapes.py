"""Anti-aliased masks of the shapes."""

from __future__ import annotations

import math
from functools import lru_cache

from PIL import Image, ImageDraw

_FINE = 4  # drawn at so many times the size, then averaged
Point = tuple[float, float]


@lru_cache(maxsize=4096)
def mask(shape: str, quarter_px: int, angle_deg: int, phase_x: int, phase_y: int) -> Image.Image:
    """Coverage ("L") of a shape whose radius is `quarter_px` / 4; its middle is that of the picture.

    `phase_x`, `phase_y` shift it by so many quarters of a pixel to the right and down (0 to 3).
    """
    half = math.ceil(quarter_px / 4) + 2
    fine = Image.new("L", (2 * half * _FINE, 2 * half * _FINE))
    pen, radius = ImageDraw.Draw(fine), quarter_px * _FINE / 4
    x, y = half * _FINE + phase_x * _FINE / 4, half * _FINE + phase_y * _FINE / 4
    turn = math.radians(angle_deg)
    cos, sin = math.cos(turn), math.sin(turn)

    def at(point: Point) -> Point:
        return x + radius * (point[0] * cos - point[1] * sin), y + radius * (point[0] * sin + point[1] * cos)

    def disc(middle: Point, size: float, ink: int) -> None:
        centre_x, centre_y = at(middle)
        reach = radius * size
        pen.ellipse((centre_x - reach, centre_y - reach, centre_x + reach, centre_y + reach), fill=ink)

    match shape:
        case "circle":
            disc((0, 0), 0.92, 255)
        case "ring":
            disc((0, 0), 0.95, 255)
            disc((0, 0), 0.55, 0)
        case "moon":
            disc((0, 0), 0.95, 255)
            disc((0.42, -0.1), 0.78, 0)
        case _:
            pen.polygon([at(point) for point in _OUTLINES[shape]], fill=255)
    return fine.reduce(_FINE)


def _star() -> list[Point]:
    reaches = [1.0 if index % 2 == 0 else 0.42 for index in range(10)]
    return [(r * math.sin(math.pi * i / 5), -r * math.cos(math.pi * i / 5)) for i, r in enumerate(reaches)]


def _heart() -> list[Point]:
    turns = [2 * math.pi * index / 48 for index in range(48)]
    return [
        (
            0.95 * math.sin(turn) ** 3,
            -(13 * math.cos(turn) - 5 * math.cos(2 * turn) - 2 * math.cos(3 * turn) - math.cos(4 * turn)) / 17 - 0.1,
        )
        for turn in turns
    ]


def _cross() -> list[Point]:
    arm, reach = 0.29, 0.93
    corner = [(arm, -arm), (arm, -reach), (-arm, -reach)]
    return [
        (x * math.cos(t) - y * math.sin(t), x * math.sin(t) + y * math.cos(t))
        for t in (-math.pi / 2 * quarter for quarter in range(4))
        for x, y in corner
    ]


_OUTLINES: dict[str, list[Point]] = {
    "square": [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],
    "triangle": [(0.0, -0.98), (0.95, 0.72), (-0.95, 0.72)],
    "diamond": [(0.0, -1.0), (0.56, 0.0), (0.0, 1.0), (-0.56, 0.0)],
    "star": _star(),
    "heart": _heart(),
    "cross": _cross(),
}
