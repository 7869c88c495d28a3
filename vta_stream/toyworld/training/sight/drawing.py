"""Statements about a picture: some that hold, and the same with one thing wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from vta_stream.toyworld.training.sight.facts import (
    COLOUR_NAMES,
    MOTION_NAMES,
    PLACE_NAMES,
    SIZE_NAMES,
    statement_numbers,
)
from vta_stream.toyworld.world.grammar import FORMS, Mention, Statement, alter, mention_choices
from vta_stream.toyworld.world.vocabulary import FILLERS, RELATIONS, SHAPES, Attribute

_ALONE_SHARE, _FILLED_SHARE, _SWAPPED_SHARE = 0.8, 0.1, 0.35
"""`_SWAPPED_SHARE`: of the wrong relations, so many have their sides changed over."""
_WHERE_SHARE = 0.5
"""Of the wrong sentences that say where something is, so many are wrong in that. As one attribute of five it would be
too seldom: colours, shapes, sizes and counts are in all sentences, and were learnt while places and relations were not.
"""
_KIND_WEIGHTS = {"presence": 1, "motion": 1, "place": 2, "relation": 3}
_VISIBLE = tuple(one for one in Attribute if one is not Attribute.MOTION)


@dataclass(frozen=True, slots=True)
class Text:
    """Sentences as a clip has them, and what they state as `statement_numbers`; a filler states nothing."""

    text: str
    statements: tuple[tuple[int, ...], ...]


def caption(facts: Any, rng: random.Random) -> Statement:
    """A sentence that names all groups, and where they are; always of the same form."""
    claims = _claims(facts)
    kind = "relation" if facts["groups"][1, 0] else "place"
    chosen = [claim for claim in claims if claim.kind == kind] or [claims[0]]
    return rng.choice(chosen)


def true_and_wrong(facts: Any, rng: random.Random) -> tuple[Text, Text]:
    """A text that holds, and one that differs in one attribute of one sentence.

    The difference seldom makes a statement that holds too: the truth table knows.
    """
    count = 1 if rng.random() < _ALONE_SHARE else rng.choice((2, 2, 3))
    said = [_shortened(_drawn(_claims(facts), rng), rng) for _ in range(count)]
    wrong = list(said)
    index = rng.randrange(count)
    wrong[index] = altered(said[index], rng)
    fillers = [rng.choice(FILLERS)] if rng.random() < _FILLED_SHARE else []
    place = rng.randrange(2)
    return joined(said, fillers, place), joined(wrong, fillers, place)


def joined(statements: list[Statement], fillers: list[str], place: int = 0) -> Text:
    """Sentences in a row; the fillers at the end, or at the beginning where `place` is 1."""
    sentences = [one.text for one in statements]
    sentences = fillers + sentences if place else sentences + fillers
    return Text(" ".join(sentences), tuple(statement_numbers(one) for one in statements))


def altered(statement: Statement, rng: random.Random) -> Statement:
    """The statement with one visible attribute changed, or with its two sides changed over."""
    if statement.other and rng.random() < _SWAPPED_SHARE:
        return replace(statement, subject=statement.other, other=statement.subject)
    order = rng.sample(_VISIBLE, len(_VISIBLE))
    if rng.random() < _WHERE_SHARE:
        order.sort(key=lambda attribute: attribute not in (Attribute.PLACE, Attribute.RELATION))
    for attribute in order:
        wrong = alter(statement, attribute, rng)
        if wrong is not None:
            return wrong
    raise AssertionError("every statement has a count")


def _drawn(claims: list[Statement], rng: random.Random) -> Statement:
    """One of the claims, of a kind drawn by _KIND_WEIGHTS."""
    kinds = sorted({claim.kind for claim in claims})
    kind = rng.choices(kinds, [_KIND_WEIGHTS[kind] for kind in kinds])[0]
    chosen = rng.choice([claim for claim in claims if claim.kind == kind])
    return replace(chosen, form=rng.randrange(len(FORMS[kind])))


def _shortened(statement: Statement, rng: random.Random) -> Statement:
    """With some attributes left unsaid."""
    other = rng.choice(list(mention_choices(statement.other))) if statement.other else None
    return replace(statement, subject=rng.choice(list(mention_choices(statement.subject))), other=other)


def _claims(facts: Any) -> list[Statement]:
    """All that holds of a picture, with all attributes said, presence first."""
    named = [_mention(numbers) for numbers in facts["groups"].tolist() if numbers[0]]
    found = [Statement("presence", mention) for mention in named]
    for index, mention in enumerate(named):
        found.append(Statement("motion", mention, MOTION_NAMES[int(facts["motions"][index])]))
        found += [Statement("place", mention, PLACE_NAMES[place]) for place in facts["places"][index].nonzero()[0]]
        for relation in facts["relations"][index].nonzero()[0]:
            found.append(Statement("relation", mention, RELATIONS[relation], named[1 - index]))
    return found


def _mention(numbers: list[int]) -> Mention:
    count, size, colour, shape = numbers
    return Mention(count, SIZE_NAMES[size - 1], COLOUR_NAMES[colour - 1], SHAPES[shape - 1])
