"""What there is in one shot, and where everything is at a time. Positions are px of a 640x360 picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vta_stream.toyworld.world.vocabulary import PLACES

WIDTH_PX, HEIGHT_PX = 640, 360
_MOMENTS = 25
_SPACING = 2.35  # radii between the centres of neighbours
_APART_PX = 6.0
_FORMATIONS = {
    1: ((0.0, 0.0),),
    2: ((-0.5, 0.0), (0.5, 0.0)),
    3: ((0.0, -0.45), (-0.5, 0.45), (0.5, 0.45)),
    4: ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)),
    5: ((-1.0, -0.5), (0.0, -0.5), (1.0, -0.5), (-0.5, 0.5), (0.5, 0.5)),
}


@dataclass(frozen=True, slots=True)
class Group:
    """`count` alike shapes that move together, about (`x`, `y`).

    `travel_px` is how far they move in all, or from one turning point to the other; `period_s` is the time of
    one turn, swing or bounce.
    """

    shape: str
    colour: str
    size: str
    count: int
    motion: str
    x: float
    y: float
    radius_px: float
    travel_px: float = 0.0
    period_s: float = 1.0
    tilt_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Camera:
    """Over the shot the view moves by (`pan_x_px`, `pan_y_px`) and its scale goes from 1 to `zoom`."""

    pan_x_px: float = 0.0
    pan_y_px: float = 0.0
    zoom: float = 1.0


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What is behind the shapes: two dull colours in a pattern; `seed` draws its details."""

    pattern: str
    first: tuple[int, int, int]
    second: tuple[int, int, int]
    seed: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One shot. No two groups share a colour or a shape. Later groups are drawn over earlier ones.

    `light` multiplies all colours.
    """

    groups: tuple[Group, ...]
    backdrop: Backdrop
    camera: Camera
    light: float
    duration_s: float

    def key(self) -> str:
        """What decides the realm: all that is said of a scene, but not where on the px everything is."""
        return scene_key([(group.count, group.size, group.colour, group.shape, group.motion) for group in self.groups])


@dataclass(frozen=True, slots=True)
class Placed:
    """One shape in the picture at one time; `group` is its group's index."""

    group: int
    x: float
    y: float
    radius_px: float
    angle_deg: float


@dataclass(frozen=True, slots=True)
class Box:
    """What a group covers in the picture."""

    left: float
    top: float
    right: float
    bottom: float


def scene_key(groups: list[tuple[int, str, str, str, str]]) -> str:
    """The key of a scene of such groups (count, size, colour, shape, motion), in whatever order they come."""
    return "scene: " + " + ".join(sorted(" ".join(map(str, group)) for group in groups))


def moments_s(scene: Scene) -> list[float]:
    """Times at which the truth of a scene is looked at, both ends among them."""
    return [scene.duration_s * index / (_MOMENTS - 1) for index in range(_MOMENTS)]


def centre(scene: Scene, index: int, time_s: float) -> tuple[float, float]:
    """The middle of a group in the picture, motion and camera included."""
    group = scene.groups[index]
    offset_x, offset_y = _moved(group, time_s, scene.duration_s)
    return _seen(scene, group.x + offset_x, group.y + offset_y, time_s)


def placed(scene: Scene, time_s: float) -> tuple[Placed, ...]:
    """Every shape in the picture, in the order of drawing."""
    scale = _zoom(scene, time_s)
    found = []
    for index, group in enumerate(scene.groups):
        offset_x, offset_y = _moved(group, time_s, scene.duration_s)
        angle = group.tilt_deg + (360 * time_s / group.period_s if group.motion == "spin" else 0.0)
        for step_x, step_y in _FORMATIONS[group.count]:
            apart = _SPACING * group.radius_px
            x, y = _seen(scene, group.x + offset_x + step_x * apart, group.y + offset_y + step_y * apart, time_s)
            found.append(Placed(index, x, y, group.radius_px * scale, angle % 360))
    return tuple(found)


def box(scene: Scene, index: int, time_s: float) -> Box:
    """What a group covers."""
    own = [one for one in placed(scene, time_s) if one.group == index]
    return Box(
        min(one.x - one.radius_px for one in own),
        min(one.y - one.radius_px for one in own),
        max(one.x + one.radius_px for one in own),
        max(one.y + one.radius_px for one in own),
    )


def is_at(scene: Scene, index: int, place: str, time_s: float) -> bool:
    """Whether a group's middle is at a place of `PLACES`."""
    column, row = PLACES[place]
    x, y = centre(scene, index, time_s)
    return column in (None, int(3 * x / WIDTH_PX)) and row in (None, int(3 * y / HEIGHT_PX))


def stands_in(scene: Scene, first: int, relation: str, second: int, time_s: float) -> bool:
    """Whether the first group stands in a relation of `RELATIONS` to the second; side by side needs a gap."""
    a, b = box(scene, first, time_s), box(scene, second, time_s)
    match relation:
        case "to the left of":
            return a.right + _APART_PX < b.left
        case "to the right of":
            return b.right + _APART_PX < a.left
        case "above":
            return a.bottom + _APART_PX < b.top
        case "below":
            return b.bottom + _APART_PX < a.top
        case _:
            return b.left < a.left and a.right < b.right and b.top < a.top and a.bottom < b.bottom


def _moved(group: Group, time_s: float, duration_s: float) -> tuple[float, float]:
    along, turn = group.travel_px * (time_s / duration_s - 0.5), 2 * math.pi * time_s / group.period_s
    match group.motion:
        case "left":
            return -along, 0.0
        case "right":
            return along, 0.0
        case "up":
            return 0.0, -along
        case "down":
            return 0.0, along
        case "bounce":
            return 0.0, group.travel_px * (0.5 - abs(math.sin(turn / 2)))
        case "swing" | "shake":
            return group.travel_px / 2 * math.sin(turn), 0.0
        case _:
            return 0.0, 0.0


def _zoom(scene: Scene, time_s: float) -> float:
    return 1 + (scene.camera.zoom - 1) * time_s / scene.duration_s


def _seen(scene: Scene, x: float, y: float, time_s: float) -> tuple[float, float]:
    part, scale = time_s / scene.duration_s - 0.5, _zoom(scene, time_s)
    return (
        WIDTH_PX / 2 + (x - WIDTH_PX / 2) * scale - scene.camera.pan_x_px * part,
        HEIGHT_PX / 2 + (y - HEIGHT_PX / 2) * scale - scene.camera.pan_y_px * part,
    )
