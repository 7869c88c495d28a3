import random
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vta_stream.toyworld.training.sight.batches import truth_of, where_of
from vta_stream.toyworld.training.sight.drawing import Text, altered, caption, joined, true_and_wrong
from vta_stream.toyworld.training.sight.facts import (
    Facts,
    centres_of,
    facts_of,
    mirrored,
    statement_numbers,
    truth_table,
)
from vta_stream.toyworld.world.claims import holds_at
from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.grammar import Statement, parse
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.scene import HEIGHT_PX, WIDTH_PX, Scene, centre
from vta_stream.toyworld.world.vocabulary import COLOURS, FILLERS, PLACES, RELATIONS, SHAPES

SEEDS = st.integers(0, 10**9)


def looked_at(seed: int, count: int) -> tuple[list[tuple[Scene, float]], Facts]:
    rng = random.Random(seed)
    shown = [(compose_scene(rng, Realm.TRAINING, 5.0), rng.uniform(0, 5)) for _ in range(count)]
    return shown, np.array([facts_of(scene, time_s) for scene, time_s in shown])


def said_of(facts: Facts, rng: random.Random) -> list[Statement]:
    texts = [text for one in facts for _ in range(4) for text in true_and_wrong(one, rng)]
    sentences = [part.strip() + "." for text in texts for part in text.text.split(".") if part.strip()]
    return [statement for sentence in sentences if (statement := parse(sentence))]


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_table_is_what_the_world_says_but_for_motions(seed: int) -> None:
    """Every statement of every picture, theirs and others'."""
    shown, facts = looked_at(seed, 6)
    statements = said_of(facts, random.Random(seed))
    table = truth_table(np.array([statement_numbers(one) for one in statements], dtype=np.int8), facts)
    assert 0 < table.mean() < 1
    for row, statement in enumerate(statements):
        visible = replace(statement, kind="presence", predicate="") if statement.kind == "motion" else statement
        for column, (scene, time_s) in enumerate(shown):
            assert table[row, column] == holds_at(visible, scene, time_s), statement.text


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_what_is_drawn_holds_and_what_is_wrong_differs_in_one_sentence(seed: int) -> None:
    _, facts = looked_at(seed, 3)
    rng = random.Random(seed)
    for one in facts:
        right, wrong = true_and_wrong(one, rng)
        assert truth_of([right], one[None]).all(), right.text
        assert len(right.statements) == len(wrong.statements)
        assert sum(a != b for a, b in zip(right.statements, wrong.statements, strict=True)) == 1
        named = caption(one, rng)
        assert truth_of([joined([named], [])], one[None]).all()
        assert len(named.mentions()) == (one["groups"][:, 0] > 0).sum()


def test_hard_negatives_are_mostly_wrong_and_touch_every_attribute() -> None:
    rng = random.Random(0)
    _, facts = looked_at(3, 40)
    pairs = [true_and_wrong(one, rng) for one in facts for _ in range(5)]
    wrong = np.array(
        [truth_of([pair[1]], one[None])[0, 0] for pair, one in zip(pairs, np.repeat(facts, 5), strict=True)]
    )
    assert wrong.mean() < 0.2
    changed = {
        index
        for right, false in pairs
        for a, b in zip(right.statements, false.statements, strict=True)
        for index in range(10)
        if a[index] != b[index]
    }
    assert changed == set(range(1, 10)), "predicate; count, size, colour and shape of both sides"


def test_a_text_holds_if_all_its_sentences_do_and_fillers_say_nothing() -> None:
    _, facts = looked_at(5, 1)
    right = caption(facts[0], random.Random(0))
    wrong = altered(right, random.Random(1))
    truth = truth_of(
        [
            joined([right], [FILLERS[0]]),
            joined([right, wrong], []),
            Text(FILLERS[1], ()),
        ],
        facts,
    )
    assert truth[:, 0].tolist() == [True, False, False]


def test_where_something_is_said_to_be_is_known_by_its_colour_and_by_its_shape() -> None:
    sentences = {
        "There is a small red star above two blue rings.": (
            ("red", "above"),
            ("star", "above"),
            ("blue", "below"),
            ("ring", "below"),
        ),
        "There is a red star to the left of two blue shapes.": (
            ("red", "to the left of"),
            ("star", "to the left of"),
            ("blue", "to the right of"),
        ),
        "There is a red shape inside a blue ring.": (("red", "inside"),),
        "There is a green shape on the left.": (("green", "on the left"),),
        "There is a small red star.": (),
    }
    said = [parse(text) for text in sentences]
    texts = [joined([one], []) for one in said if one]
    assert len(texts) == len(sentences)
    keys, predicates = (*COLOURS, *SHAPES), (*PLACES, *RELATIONS)
    expected = [
        [index, keys.index(name), predicates.index(predicate)]
        for index, pairs in enumerate(sentences.values())
        for name, predicate in pairs
    ]
    both = joined([one for one in said if one], [])  # two sentences about one star may say two things
    assert where_of([*texts, both]).tolist() == expected


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_in_the_mirror_left_is_right(seed: int) -> None:
    _, facts = looked_at(seed, 4)
    turned = mirrored(facts)
    assert np.array_equal(mirrored(turned), facts)
    statements = said_of(facts, random.Random(seed))
    swapped = [parse(_swapped(one.text)) for one in statements]
    numbers = [
        np.array([statement_numbers(one) for one in some if one], dtype=np.int8) for some in (statements, swapped)
    ]
    assert np.array_equal(truth_table(numbers[0], facts), truth_table(numbers[1], turned))
    assert np.array_equal(turned["patches"], facts["patches"][:, :, ::-1])


def _swapped(text: str) -> str:
    return text.replace("left", "\0").replace("right", "left").replace("\0", "right")


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_group_s_centre_is_where_it_is_seen_and_changes_sides_in_the_mirror(seed: int) -> None:
    shown, facts = looked_at(seed, 6)
    found = centres_of(facts)
    for (scene, time_s), centres in zip(shown, found, strict=True):
        assert np.isnan(centres[len(scene.groups) :]).all()
        if len(scene.groups) == 1:  # nothing is hidden by another
            x, y = centre(scene, 0, time_s)
            assert np.allclose(centres[0], (2 * x / WIDTH_PX - 1, 2 * y / HEIGHT_PX - 1), atol=0.35)
    assert np.allclose(centres_of(mirrored(facts)), found * (-1, 1), atol=1e-5, equal_nan=True)
