"""Pictures of many shapes at once, of which no text is true: each patch of them teaches what a shape looks like.

In a picture of a scene four patches of five show backdrop, and shapes are the last that a network learns. The first
crowds are bright on dark. Else a shape is as often lighter than its backdrop as darker, so that on average no shape
changes any pixel, and a network that begins with a linear layer finds nothing to begin with: after 300 steps it named
the shapes by chance (11 %). With 300 steps of bright crowds it named 46 % of theirs, and after 300 more of all colours
53 % of these.
"""

from __future__ import annotations

import math
import random

from vta_stream.toyworld.world.composing import draw_backdrop, is_seen_on
from vta_stream.toyworld.world.scene import HEIGHT_PX, WIDTH_PX, Backdrop, Camera, Group, Scene
from vta_stream.toyworld.world.vocabulary import COLOURS, SHAPES, SIZES

_SHAPES_MAX, _TRIES = 16, 60
_OVERLAP = 0.95
"""Of the sum of two radii: so near may their centres come."""

_BRIGHT = "white", "yellow", "turquoise", "pink"
_DARK_MAX = 95.0
"""Mean of red, green and blue of a dark backdrop."""

_UPRIGHT_SHARE = 0.7
_SIZE_WEIGHTS = (4, 3, 2)


def compose_crowd(rng: random.Random, *, bright: bool = False) -> Scene:
    """Up to 16 single shapes that stand still, anywhere in the picture, in any colours that the backdrop allows.

    `bright`: bright colours on a dark backdrop.
    """
    backdrop = _draw_dark(rng) if bright else draw_backdrop(rng, rng.sample(list(COLOURS), 3))
    colours = [colour for colour in (_BRIGHT if bright else COLOURS) if is_seen_on(backdrop, colour)]
    groups: list[Group] = []
    for _ in range(_TRIES):
        size = rng.choices(list(SIZES), weights=_SIZE_WEIGHTS)[0]
        radius = SIZES[size] * rng.uniform(0.93, 1.07)
        x, y = rng.uniform(radius, WIDTH_PX - radius), rng.uniform(radius, HEIGHT_PX - radius)
        if any(math.dist((x, y), (one.x, one.y)) < _OVERLAP * (radius + one.radius_px) for one in groups):
            continue
        tilt = rng.uniform(-7, 7) if rng.random() < _UPRIGHT_SHARE else rng.uniform(0, 360)
        shape, colour = rng.choice(SHAPES), rng.choice(colours)
        groups.append(Group(shape, colour, size, 1, "still", x, y, radius, tilt_deg=tilt))
        if len(groups) == _SHAPES_MAX:
            break
    return Scene(tuple(groups), backdrop, Camera(), rng.uniform(0.84, 1.06), 1.0)


def _draw_dark(rng: random.Random) -> Backdrop:
    while True:
        backdrop = draw_backdrop(rng, _BRIGHT)
        if max(sum(backdrop.first), sum(backdrop.second)) < 3 * _DARK_MAX:
            return backdrop
