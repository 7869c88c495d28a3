"""Pictures and statements as numbers, and the truth of any statements of any pictures at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vta_stream.toyworld.training.sight.model import GRID
from vta_stream.toyworld.world.grammar import FORMS, Mention, Statement
from vta_stream.toyworld.world.picture import patch_truth
from vta_stream.toyworld.world.scene import Scene, is_at, stands_in
from vta_stream.toyworld.world.vocabulary import COLOURS, MOTIONS, PLACES, RELATIONS, SHAPES, SIZES

Ints = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]
Facts = npt.NDArray[np.void]
"""A record of FACTS a picture."""

KINDS, COLOUR_NAMES, SIZE_NAMES = tuple(FORMS), tuple(COLOURS), tuple(SIZES)
PLACE_NAMES, MOTION_NAMES = tuple(PLACES), tuple(MOTIONS)

FACTS = np.dtype(
    [
        # count, size, colour and shape of the first and the second group; sizes and so on count from 1
        ("groups", np.int8, (2, 4)),  # all 0: there is no such group
        ("motions", np.int8, (2,)),
        ("places", np.bool_, (2, len(PLACE_NAMES))),
        ("relations", np.bool_, (2, len(RELATIONS))),  # of the first to the second, and the other way
        ("patches", np.int8, GRID),  # 0: backdrop; n: the n-th group
    ]
)


def facts_of(scene: Scene, time_s: float) -> Facts:
    """What there is to be seen at a time; an array of no dimensions."""
    facts = np.zeros((), dtype=FACTS)
    colours = [0]
    for index, group in enumerate(scene.groups):
        facts["groups"][index] = mention_numbers(Mention(group.count, group.size, group.colour, group.shape))
        facts["motions"][index] = MOTION_NAMES.index(group.motion)
        facts["places"][index] = [is_at(scene, index, place, time_s) for place in PLACE_NAMES]
        if len(scene.groups) == 2:
            facts["relations"][index] = [stands_in(scene, index, one, 1 - index, time_s) for one in RELATIONS]
        colours.append(1 + COLOUR_NAMES.index(group.colour))
    shown = patch_truth(scene, time_s, *GRID).colour
    facts["patches"] = np.searchsorted(np.sort(colours), shown)
    order = np.argsort(colours, kind="stable")  # no two groups share a colour
    facts["patches"] = order[facts["patches"]]
    return facts


def mention_numbers(mention: Mention | None) -> tuple[int, int, int, int]:
    """As in FACTS, 0 for what is left unsaid."""
    if mention is None:
        return 0, 0, 0, 0
    return (
        mention.count,
        1 + SIZE_NAMES.index(mention.size) if mention.size else 0,
        1 + COLOUR_NAMES.index(mention.colour) if mention.colour else 0,
        1 + SHAPES.index(mention.shape) if mention.shape else 0,
    )


def statement_numbers(statement: Statement) -> tuple[int, ...]:
    """Kind, predicate, the subject's numbers, the other's."""
    names: dict[str, Sequence[str]] = {"place": PLACE_NAMES, "motion": MOTION_NAMES, "relation": RELATIONS}
    predicate = names[statement.kind].index(statement.predicate) if statement.predicate else 0
    return (
        KINDS.index(statement.kind),
        predicate,
        *mention_numbers(statement.subject),
        *mention_numbers(statement.other),
    )


def truth_table(statements: Ints, facts: Facts) -> Bools:
    """Rows of `statement_numbers` x pictures: what `claims.holds_at` says, but for motions, which no picture shows.

    "A red circle moves up." is true wherever there is one red circle.
    """
    kind, predicate = statements[:, 0], statements[:, 1]
    subject, other = _meant(statements[:, 2:6], facts["groups"]), _meant(statements[:, 6:10], facts["groups"])
    truth: Bools = np.asarray(subject.any(axis=2))
    rows = np.flatnonzero(kind == KINDS.index("place"))
    truth[rows] = (subject[rows] & facts["places"][:, :, predicate[rows]].transpose(2, 0, 1)).any(axis=2)
    rows = np.flatnonzero(kind == KINDS.index("relation"))
    stands = facts["relations"][:, :, predicate[rows]].transpose(2, 0, 1)
    truth[rows] = (subject[rows] & other[rows][:, :, ::-1] & stands).any(axis=2)
    return truth


def mirrored(facts: Facts) -> Facts:
    """The facts of the pictures when left and right change sides."""
    turned = facts.copy()
    turned["patches"] = facts["patches"][:, :, ::-1]
    turned["places"] = facts["places"][:, :, [PLACE_NAMES.index(_mirrored(name)) for name in PLACE_NAMES]]
    turned["relations"] = facts["relations"][:, :, [RELATIONS.index(_mirrored(name)) for name in RELATIONS]]
    motions = np.array([MOTION_NAMES.index(_mirrored(name)) for name in MOTION_NAMES], dtype=np.int8)
    turned["motions"] = motions[facts["motions"]]
    return turned


def centres_of(facts: Facts) -> npt.NDArray[np.float32]:
    """Pictures x 2 groups x (x, y): the middle of the patches that show a group; -1 is the left or upper edge, 1 the
    right or lower one. NaN for a group that is not there, or that no patch shows.
    """
    rows, columns = (np.linspace(-1, 1, size, dtype=np.float32) for size in GRID)
    shows = facts["patches"][:, None] == np.array([1, 2], dtype=np.int8)[:, None, None]
    count = shows.sum(axis=(2, 3), dtype=np.float32)
    x, y = (shows * columns).sum(axis=(2, 3)), (shows * rows[:, None]).sum(axis=(2, 3))
    known = np.where(count, count, np.float32(np.nan))
    return np.asarray(np.stack([x, y], axis=2) / known[..., None], dtype=np.float32)


def _mirrored(phrase: str) -> str:
    swapped = {"left": "right", "right": "left"}
    return " ".join(swapped.get(word, word) for word in phrase.split())


def _meant(mentions: Ints, groups: Ints) -> Bools:
    """Mentions x pictures x 2: whether each group may be meant. The count is always said."""
    said, seen = mentions[:, None, None, :], groups[None]
    matches = ((said == seen) | (said == 0)).all(axis=3) & (said[..., 0] == seen[..., 0]) & (seen[..., 0] > 0)
    return np.asarray(matches, dtype=np.bool_)
