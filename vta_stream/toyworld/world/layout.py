"""The shots of a video: how long, how they follow each other, and what they show."""

from __future__ import annotations

import random

from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.plan import Style
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.scene import Scene
from vta_stream.toyworld.world.truth import ShotTruth, Transition
from vta_stream.toyworld.world.visible import CUT_MIN, EDGES_MIN, MOTION_MAX, MOTION_MIN, difference, edges, motion

_TRANSITION_S = 0.4, 0.8
_DIGITS = 6


def draw_shots(rng: random.Random, realm: Realm, fps: int, style: Style) -> tuple[ShotTruth, ...]:
    """Shots that fill a video of the style's length, each clearly seen to differ from the one before."""
    spans = _draw_spans(rng, fps, style)
    shots: list[ShotTruth] = []
    for index, (first, end, transition, gap) in enumerate(spans):
        shown_until = end + (spans[index + 1][3] if index + 1 < len(spans) else 0)
        begin = first - gap
        before = shots[-1].scene if shots else None
        scene = draw_scene(rng, realm, (shown_until - begin) / fps, before, frozen=style.frozen)
        shots.append(ShotTruth(_time_s(first, fps), _time_s(end, fps), transition, _time_s(begin, fps), scene))
    return tuple(shots)


def draw_scene(
    rng: random.Random, realm: Realm, duration_s: float, before: Scene | None, *, frozen: bool = False
) -> Scene:
    """A scene that is sharp, moves visibly (unless `frozen`), and makes a visible cut after `before`."""
    while True:
        scene = compose_scene(rng, realm, duration_s, frozen=frozen)
        cuts = before is None or difference(before, scene) >= CUT_MIN
        if cuts and edges(scene) >= EDGES_MIN and (frozen or _moves(scene)):
            return scene


def _moves(scene: Scene) -> bool:
    calmest, liveliest = motion(scene)
    return calmest >= MOTION_MIN and liveliest <= MOTION_MAX


def _draw_spans(rng: random.Random, fps: int, style: Style) -> list[tuple[int, int, Transition, int]]:
    """For each shot the frames [first, end) on which it is seen alone, how it begins, and the frames that takes."""
    length_s = rng.uniform(*style.length_s)
    spans: list[tuple[int, int, Transition, int]] = []
    at = 0
    while at / fps < length_s:
        transition, gap = (Transition.START, 0) if not spans else _draw_transition(rng, fps, style)
        shot_s = rng.uniform(style.shot_s[0], max(style.shot_s[0], min(style.shot_s[1], length_s - at / fps)))
        first, end = at + gap, at + gap + round(shot_s * fps)
        spans.append((first, end, transition, gap))
        at = end
    return spans


def _draw_transition(rng: random.Random, fps: int, style: Style) -> tuple[Transition, int]:
    kinds = [Transition.CUT, Transition.DISSOLVE, Transition.FADE]
    transition = Transition.CUT if style.cuts_only else rng.choices(kinds, weights=(6, 2, 2))[0]
    return transition, 0 if transition is Transition.CUT else round(rng.uniform(*_TRANSITION_S) * fps)


def _time_s(frame: int, fps: int) -> float:
    return round(frame / fps, _DIGITS)
