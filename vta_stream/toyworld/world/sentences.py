"""Sentences for the ears alone: drawn without a scene."""

from __future__ import annotations

import random

from vta_stream.toyworld.world.grammar import FORMS, Mention, Statement
from vta_stream.toyworld.world.realm import Realm, realm_of
from vta_stream.toyworld.world.vocabulary import COLOURS, COUNTS, FILLERS, MOTIONS, PLACES, RELATIONS, SHAPES, SIZES

_FILLER_SHARE = 0.25


def draw_sentence(rng: random.Random, realm: Realm) -> str:
    """A statement or, more rarely, a filler. A statement is of the realm; there are too few fillers to share them out.

    Statements are drawn evenly over words, not over scenes, so that rare words are as well known as others.
    """
    if rng.random() < _FILLER_SHARE:
        return rng.choice(FILLERS)
    while True:
        text = _draw_statement(rng).text
        if realm_of(f"sentence: {text}") == realm:
            return text


def _draw_statement(rng: random.Random) -> Statement:
    kind = rng.choice(list(FORMS))
    form = rng.randrange(len(FORMS[kind]))
    predicates = {"presence": ("",), "place": tuple(PLACES), "motion": tuple(MOTIONS), "relation": RELATIONS}
    other = _draw_mention(rng) if kind == "relation" else None
    return Statement(kind, _draw_mention(rng), rng.choice(predicates[kind]), other, form)


def _draw_mention(rng: random.Random) -> Mention:
    size = rng.choice((None, *SIZES))
    colour, shape = rng.choice((None, *COLOURS)), rng.choice((None, *SHAPES))
    if colour is None and shape is None:
        shape = rng.choice(SHAPES)
    return Mention(rng.choice(list(COUNTS)), size, colour, shape)
