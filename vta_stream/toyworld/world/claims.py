"""Which statements hold of a scene: the truth table of the world."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from vta_stream.toyworld.world.grammar import FORMS, Mention, Statement, alter, mention_choices
from vta_stream.toyworld.world.scene import Group, Scene, is_at, moments_s, stands_in
from vta_stream.toyworld.world.vocabulary import COUNTS, PLACES, RELATIONS, Attribute

_TRIES = 24


def holds_at(statement: Statement, scene: Scene, time_s: float) -> bool:
    """Whether a statement is true of the picture at this time; a motion counts as seen at any time."""
    subjects = _meant(statement.subject, scene)
    match statement.kind:
        case "presence":
            return bool(subjects)
        case "place":
            return any(is_at(scene, index, statement.predicate, time_s) for index in subjects)
        case "motion":
            return any(scene.groups[index].motion == statement.predicate for index in subjects)
        case _:
            assert statement.other, "a relation has two sides"
            others = _meant(statement.other, scene)
            return any(
                stands_in(scene, one, statement.predicate, other, time_s)
                for one in subjects
                for other in others
                if one != other
            )


def holds(statement: Statement, scene: Scene) -> bool:
    """Whether a statement is true throughout the scene."""
    return all(holds_at(statement, scene, time_s) for time_s in moments_s(scene))


def never_holds(statement: Statement, scene: Scene) -> bool:
    """Whether it is true at no time. What crosses the picture leaves statements that neither hold nor never do."""
    return not any(holds_at(statement, scene, time_s) for time_s in moments_s(scene))


def statements(scene: Scene) -> tuple[Statement, ...]:
    """Everything the grammar can truly say of a scene, in its first form each: some dozens to some hundreds."""
    return tuple(_all(scene))


def draw_statement(scene: Scene, rng: random.Random, kind: str | None = None) -> Statement | None:
    """One true statement, of a kind of `FORMS` or any, in any form; None if nothing of the kind can be said."""
    kinds = [kind] if kind else rng.sample(list(FORMS), len(FORMS))
    for one in kinds:
        claims = [claim for claim in _full_claims(scene) if claim.kind == one]
        if claims:
            claim = rng.choice(claims)
            other = rng.choice(list(mention_choices(claim.other))) if claim.other else None
            subject = rng.choice(list(mention_choices(claim.subject)))
            return replace(claim, subject=subject, other=other, form=rng.randrange(len(FORMS[one])))
    return None


def hard_negative(statement: Statement, scene: Scene, kind: Attribute, rng: random.Random) -> Statement | None:
    """A true statement made wrong in one attribute, so that it is true at no time of the scene.

    None where it says nothing of the attribute, or where no try made it wrong.
    """
    for _ in range(_TRIES):
        altered = alter(statement, kind, rng)
        if altered is None:
            return None
        if never_holds(altered, scene):
            return altered
    return None


def caption(scene: Scene, rng: random.Random | None = None) -> Statement:
    """A true statement that names every group with all its attributes, and where it is as far as that can be said.

    Always the same without `rng`; with it, drawn among all that would do.
    """
    kind = "relation" if len(scene.groups) > 1 else "place"
    claims = [claim for claim in _full_claims(scene) if claim.kind == kind]
    claims = claims or [Statement("presence", mention_of(scene.groups[0]))]
    if rng is None:
        return claims[-1]
    chosen = rng.choice(claims)
    return replace(chosen, form=rng.randrange(len(FORMS[chosen.kind])))


def mention_of(group: Group) -> Mention:
    """A group named with all its attributes."""
    return Mention(group.count, group.size, group.colour, group.shape)


def _all(scene: Scene) -> Iterator[Statement]:
    for claim in _full_claims(scene):
        for subject in mention_choices(claim.subject):
            for other in mention_choices(claim.other) if claim.other else (None,):
                yield replace(claim, subject=subject, other=other)


def _full_claims(scene: Scene) -> Iterator[Statement]:
    """All that holds, with all attributes said."""
    for index, group in enumerate(scene.groups):
        named = mention_of(group)
        yield Statement("presence", named)
        yield Statement("motion", named, group.motion)
        for place in PLACES:
            if all(is_at(scene, index, place, time_s) for time_s in moments_s(scene)):
                yield Statement("place", named, place)
        for other, another in enumerate(scene.groups):
            for relation in RELATIONS if other != index else ():
                if all(stands_in(scene, index, relation, other, time_s) for time_s in moments_s(scene)):
                    yield Statement("relation", named, relation, mention_of(another))


def _meant(mention: Mention, scene: Scene) -> list[int]:
    """The groups that a mention may mean."""
    assert mention.count in COUNTS
    return [
        index
        for index, group in enumerate(scene.groups)
        if mention.count == group.count
        and mention.size in (None, group.size)
        and mention.colour in (None, group.colour)
        and mention.shape in (None, group.shape)
    ]
