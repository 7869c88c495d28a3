"""Scenes drawn by chance that show clearly what they show: all of it in the picture, nothing hidden."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from vta_stream.toyworld.world.realm import Realm, realm_of
from vta_stream.toyworld.world.scene import (
    HEIGHT_PX,
    WIDTH_PX,
    Backdrop,
    Camera,
    Group,
    Scene,
    box,
    moments_s,
    scene_key,
    stands_in,
)
from vta_stream.toyworld.world.vocabulary import COLOURS, COUNTS, LOOKS_ALIKE_TURNED, MOTIONS, SHAPES, SIZES

PATTERNS = ("plain", "gradient", "stripes", "checks", "clouds", "dots")
_EDGE_PX = 5.0
_CONTRAST = 105.0  # distance in RGB from which a shape is clearly seen
_INSIDE_SHARE = 0.15
_PAIR_SHARE = 0.6
_HOSTS = ("circle", "square")  # what has room inside at the size in which it is drawn
_TRIES = 30


def compose_scene(rng: random.Random, realm: Realm, duration_s: float, *, frozen: bool = False) -> Scene:
    """A scene of the realm: one or two groups, of which at least one moves; `frozen`: none does, nor the camera."""
    while True:
        groups = _draw_groups(rng, frozen)
        if realm_of(scene_key([(g.count, g.size, g.colour, g.shape, g.motion) for g in groups])) != realm:
            continue
        backdrop = draw_backdrop(rng, [group.colour for group in groups])
        scene = Scene(groups, backdrop, Camera(), round(rng.uniform(0.84, 1.06), 3), duration_s)
        for _ in range(_TRIES):
            laid_out = _lay_out(scene, rng, frozen)
            if is_clear(laid_out):
                return laid_out


def is_clear(scene: Scene) -> bool:
    """Whether all groups stay within the picture, and apart from each other or one inside the other."""
    for time_s in moments_s(scene):
        for index in range(len(scene.groups)):
            area = box(scene, index, time_s)
            if area.left < _EDGE_PX or area.top < _EDGE_PX:
                return False
            if area.right > WIDTH_PX - _EDGE_PX or area.bottom > HEIGHT_PX - _EDGE_PX:
                return False
        if len(scene.groups) == 2 and not _is_inside(scene):
            sides = ("to the left of", "to the right of", "above", "below")
            if not any(stands_in(scene, 0, side, 1, time_s) for side in sides):
                return False
    return True


def _is_inside(scene: Scene) -> bool:
    host, guest = scene.groups
    return math.dist((host.x, host.y), (guest.x, guest.y)) < 1.0


def _draw_groups(rng: random.Random, frozen: bool) -> tuple[Group, ...]:
    if rng.random() >= _PAIR_SHARE:
        return (_draw_group(rng, frozen, moving=True),)
    first, second = _draw_group(rng, frozen, moving=True), _draw_group(rng, frozen, moving=False)
    while second.shape == first.shape or _distance(first.colour, second.colour) < _CONTRAST:
        second = _draw_group(rng, frozen, moving=False)
    if rng.random() >= _INSIDE_SHARE:
        return (first, second) if rng.random() < 0.5 else (second, first)
    host = replace(first, size="large", count=1, shape=rng.choice([s for s in _HOSTS if s != second.shape]))
    if host.motion == "spin":
        host = replace(host, motion="swing")
    return host, replace(second, size="small", count=1, motion=host.motion)


def _draw_group(rng: random.Random, frozen: bool, *, moving: bool) -> Group:
    shape = rng.choice(SHAPES)
    motions = [name for name in MOTIONS if name != "spin" or shape not in LOOKS_ALIKE_TURNED]
    if moving:
        motions.remove("still")
    motion = "still" if frozen else rng.choice(motions)
    count = rng.choices(list(COUNTS), weights=(5, 3, 2, 2, 2))[0]
    return Group(shape, rng.choice(list(COLOURS)), rng.choice(list(SIZES)), count, motion, 0.0, 0.0, 0.0)


def _distance(first: str, second: str) -> float:
    return math.dist(COLOURS[first], COLOURS[second])


def draw_backdrop(rng: random.Random, colours: Sequence[str]) -> Backdrop:
    """Two dull colours of like lightness, on which these colours are clearly seen."""
    while True:
        level = rng.uniform(60, 190)
        first, second = (
            tuple(round(min(225.0, max(35.0, base + rng.uniform(-22, 22)))) for _ in range(3))
            for base in (level, level + rng.uniform(-26, 26))
        )
        if all(math.dist(COLOURS[colour], dull) >= _CONTRAST for colour in colours for dull in (first, second)):
            pattern = rng.choice(PATTERNS)
            return Backdrop(
                pattern, (first[0], first[1], first[2]), (second[0], second[1], second[2]), rng.getrandbits(31)
            )


def is_seen_on(backdrop: Backdrop, colour: str) -> bool:
    """Whether the colour is clearly seen on the backdrop."""
    return all(math.dist(COLOURS[colour], dull) >= _CONTRAST for dull in (backdrop.first, backdrop.second))


def _lay_out(scene: Scene, rng: random.Random, frozen: bool) -> Scene:
    groups = tuple(_put(group, rng, scene.duration_s) for group in scene.groups)
    if len(groups) == 2 and (groups[0].size, groups[1].size) == ("large", "small") and _may_hold(groups):
        host, guest = groups
        groups = (
            host,
            replace(
                guest, x=host.x, y=host.y, travel_px=host.travel_px, period_s=host.period_s, radius_px=SIZES["small"]
            ),
        )
    return replace(scene, groups=groups, camera=Camera() if frozen else _draw_camera(rng))


def _may_hold(groups: tuple[Group, ...]) -> bool:
    host, guest = groups
    return host.shape in _HOSTS and host.count == guest.count == 1 and host.motion == guest.motion


def _put(group: Group, rng: random.Random, duration_s: float) -> Group:
    """Somewhere near the middle of a cell of the 3x3 grid."""
    column, row = rng.randrange(3), rng.randrange(3)
    x = (column + 0.5 + rng.uniform(-0.22, 0.22)) * WIDTH_PX / 3
    y = (row + 0.5 + rng.uniform(-0.18, 0.18)) * HEIGHT_PX / 3
    wide = rng.random() < 0.3
    match group.motion:
        case "left" | "right":
            travel, period = (rng.uniform(200, 380) if wide else rng.uniform(80, 120)), 1.0
        case "up" | "down":
            travel, period = (rng.uniform(110, 200) if wide else rng.uniform(55, 80)), 1.0
        case "bounce":
            travel, period = rng.uniform(40, 65), rng.uniform(1.2, 2.0)
        case "swing":
            travel, period = rng.uniform(60, 100), rng.uniform(1.8, 2.8)
        case "shake":
            travel, period = rng.uniform(8, 13), rng.uniform(0.25, 0.4)
        case "spin":
            travel, period = 0.0, rng.uniform(2.0, 4.0)
        case _:
            travel, period = 0.0, 1.0
    travel = min(travel, 45 * duration_s)  # slow enough to be followed
    tilt = rng.uniform(-7, 7)
    radius = SIZES[group.size] * rng.uniform(0.93, 1.07)
    return replace(group, x=x, y=y, radius_px=radius, travel_px=travel, period_s=period, tilt_deg=tilt)


def _draw_camera(rng: random.Random) -> Camera:
    match rng.choices(("still", "pan", "tilt", "zoom"), weights=(5, 2, 1, 2))[0]:
        case "pan":
            return Camera(pan_x_px=rng.choice((-1, 1)) * rng.uniform(15, 40))
        case "tilt":
            return Camera(pan_y_px=rng.choice((-1, 1)) * rng.uniform(10, 24))
        case "zoom":
            return Camera(zoom=rng.choice((rng.uniform(1.05, 1.12), rng.uniform(0.9, 0.95))))
        case _:
            return Camera()
