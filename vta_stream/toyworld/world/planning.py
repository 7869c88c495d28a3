"""Which videos a corpus has, and the plan of each, drawn from the realm, the seed and the video's number alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

from vta_stream.toyworld.world.defect import NOT_SERVED, Defect
from vta_stream.toyworld.world.defects import (
    TELL,
    put_out_of_step,
    shift_narration,
    style_of,
    tell_what_is_seen,
)
from vta_stream.toyworld.world.layout import draw_shots
from vta_stream.toyworld.world.plan import Plan
from vta_stream.toyworld.world.realm import Realm, rng_of
from vta_stream.toyworld.world.speech import draw_voice
from vta_stream.toyworld.world.truth import Kind

LONGEST_S = 180.0
_RATES = (15, 15, 24, 25)
_SUBTITLED_SHARE = 0.5
_UNSEEN_SHARE = 0.15

_TWICE = (Defect.OTHER_SCENE, Defect.SHIFTED, Defect.TOO_SHORT, Defect.DAMAGED)
_DECK = (*[Defect.NONE] * 12, *_TWICE, *(defect for defect in Defect if defect is not Defect.NONE))
"""The mix: of 32 videos 12 without defect, and every class, those twice that there are two kinds of. With the two that
the server gives at last, 14 are good."""


@dataclass(frozen=True, slots=True)
class Order:
    """One video to be made. `variant` counts those of the same defect; `original` is the number of what it copies."""

    realm: Realm
    seed: int
    number: int
    defect: Defect
    variant: int
    longest_s: float = LONGEST_S
    original: int | None = None

    @property
    def name(self) -> str:
        """The file's name, which does not say what is wrong with it."""
        return f"{self.realm}-{self.seed}-{self.number:04d}.mp4"


def orders(realm: Realm, seed: int, count: int, longest_s: float = LONGEST_S) -> tuple[Order, ...]:
    """The first `count` videos of a corpus; a larger corpus begins with the same ones.

    Each 32 are a shuffled deck of the same mix, with good and bad ones in turn as far as that goes.
    """
    made: list[Order] = []
    seen: dict[Defect, int] = dict.fromkeys(Defect, 0)
    while len(made) < count:
        for defect in _deal(rng_of(realm, seed, f"deck {len(made) // len(_DECK)}")):
            original = None
            if defect is Defect.NEAR_DUPLICATE:
                original = next(order.number for order in reversed(made) if order.defect is Defect.NONE)
            made.append(Order(realm, seed, len(made), defect, seen[defect], longest_s, original))
            seen[defect] += 1
    return tuple(made[:count])


def draw_plan(order: Order) -> Plan:
    """The plan of a video; of a near-duplicate, plan the original. ValueError for what is not served.

    Speech differs by a hair with what was said before: only the first plan of a process is the same to the sample.
    """
    if order.defect in NOT_SERVED:
        raise ValueError(f"{order.name} is not served, so there is nothing to film")
    rng = rng_of(order.realm, order.seed, f"video {order.number}")
    fps, subtitled = rng.choice(_RATES), rng.random() < _SUBTITLED_SHARE
    unseen = order.realm is not Realm.TRAINING and rng.random() < _UNSEEN_SHARE
    voice = draw_voice(rng, order.realm, unseen=unseen)
    style = style_of(order.defect, order.variant, order.longest_s)
    tell = TELL.get(order.defect, tell_what_is_seen)
    while True:
        shots = draw_shots(rng, order.realm, fps, style)
        lines = tell(rng, order.realm, shots, voice, style)
        subtitled = subtitled and any(line.kind is Kind.STATEMENT for line in lines)
        seed = f"{order.realm}/{order.seed}/{order.number}"
        plan = Plan(order.realm, order.name, seed, order.defect, fps, shots, voice, lines, subtitled)
        planted = _plant(plan, rng)
        if planted is not None:
            return planted


def _plant(plan: Plan, rng: random.Random) -> Plan | None:
    match plan.defect:
        case Defect.SHIFTED:
            return shift_narration(plan, rng)
        case Defect.OUT_OF_STEP:
            return put_out_of_step(plan, rng)
        case Defect.NO_SPEECH:
            return plan
        case _:
            return plan if plan.lines else None


def _deal(rng: random.Random) -> list[Defect]:
    """A deck in which good and bad ones come in turn, a good one first."""
    good = [defect for defect in _DECK if defect is Defect.NONE]
    bad = rng.sample([defect for defect in _DECK if defect is not Defect.NONE], len(_DECK) - len(good))
    share = len(good) / len(_DECK)
    dealt: list[Defect] = []
    for number in range(len(_DECK)):
        owed = (number + 1) * share > dealt.count(Defect.NONE) or not dealt
        dealt.append(good.pop() if owed and good else bad.pop())
    return dealt
