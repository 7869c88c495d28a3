import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vta_stream.toyworld.world.claims import caption, draw_statement, hard_negative, holds, never_holds, statements
from vta_stream.toyworld.world.composing import compose_scene, is_clear
from vta_stream.toyworld.world.grammar import FORMS, Mention, Statement, alter, parse, words
from vta_stream.toyworld.world.realm import Realm, realm_of
from vta_stream.toyworld.world.scene import Backdrop, Camera, Group, Scene
from vta_stream.toyworld.world.vocabulary import Attribute

SEEDS = st.integers(0, 10**9)


def scene_of(seed: int, realm: Realm = Realm.TRAINING) -> Scene:
    return compose_scene(random.Random(seed), realm, 6.0)


def plain_scene(*groups: Group) -> Scene:
    return Scene(groups, Backdrop("plain", (90, 90, 90), (90, 90, 90), 0), Camera(), 1.0, 6.0)


RED = Group("circle", "red", "large", 1, "still", 110, 180, 62)
BLUE = Group("star", "blue", "small", 3, "left", 520, 90, 23, travel_px=60)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_every_statement_holds_and_reads_back(seed: int) -> None:
    scene = scene_of(seed)
    assert is_clear(scene)
    found = statements(scene)
    assert {"presence", "motion"} <= {one.kind for one in found}
    for one in random.Random(seed).sample(found, min(8, len(found))):
        assert holds(one, scene), one.text
        assert not never_holds(one, scene)
    for kind in FORMS:
        drawn = draw_statement(scene, random.Random(seed), kind)
        if drawn:
            assert holds(drawn, scene)
            assert parse(drawn.text) == drawn
            assert set(drawn.text.lower().rstrip(".").split()) <= set(words())


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_an_altered_attribute_makes_it_wrong_and_nothing_else_changes(seed: int) -> None:
    scene, rng = scene_of(seed), random.Random(seed)
    for kind in Attribute:
        for one in statements(scene)[::17]:
            wrong = hard_negative(one, scene, kind, rng)
            if wrong is None:
                continue
            assert not holds(wrong, scene), wrong.text
            differing = [name for name in ("kind", "predicate", "form") if getattr(one, name) != getattr(wrong, name)]
            for mine, its in zip(one.mentions(), wrong.mentions(), strict=True):
                differing += [n for n in ("count", "size", "colour", "shape") if getattr(mine, n) != getattr(its, n)]
            is_predicate = kind in (Attribute.PLACE, Attribute.RELATION, Attribute.MOTION)
            assert differing == ["predicate" if is_predicate else kind.value]


def test_the_truth_table_is_what_one_sees() -> None:
    scene = plain_scene(RED, BLUE)
    assert is_clear(scene)
    true = [
        "There is a large red circle.",
        "A red shape is on the left.",
        "The circle is to the left of the three blue stars.",
        "Watch how the three small stars move to the left.",
        "Three small blue stars are in the top right corner.",
        "you can see three stars at the top",
    ]
    false = [
        "There is a small red circle.",
        "There are two blue stars.",
        "The red circle is to the right of the three stars.",
        "A red star is on the left.",
        "The red circle moves to the left.",
        "A circle is inside three stars.",
    ]
    for text, truth in [*((text, True) for text in true), *((text, False) for text in false)]:
        statement = parse(text)
        assert statement, text
        assert holds(statement, scene) is truth, text
        assert never_holds(statement, scene) is not truth, text
    assert parse("Please subscribe and tell your friends.") is None


def test_what_crosses_the_picture_is_nowhere_for_good() -> None:
    scene = plain_scene(Group("ring", "green", "small", 1, "right", 320, 180, 23, travel_px=400))
    place = Statement("place", Mention(1, None, "green", None), "on the left")
    assert not holds(place, scene)
    assert not never_holds(place, scene)


def test_the_caption_names_everything() -> None:
    said = caption(plain_scene(RED, BLUE))
    assert {(one.count, one.size, one.colour, one.shape) for one in said.mentions()} == {
        (1, "large", "red", "circle"),
        (3, "small", "blue", "star"),
    }
    assert holds(said, plain_scene(RED, BLUE))


def test_what_is_unsaid_cannot_be_altered() -> None:
    bare = Statement("presence", Mention(1, None, "red", None))
    for kind in Attribute:
        altered = alter(bare, kind, random.Random(0))
        assert (altered is None) == (kind not in (Attribute.COLOUR, Attribute.COUNT))


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from(list(Realm)), st.sampled_from(list(Realm)))
def test_realms_share_no_scene(seed: int, one: Realm, other: Realm) -> None:
    """The same seed, and whatever seed: the key of a scene tells whose it is."""
    assert realm_of(scene_of(seed, one).key()) == one
    assert (scene_of(seed, one).key() == scene_of(seed + 1, other).key()) <= (one == other)


@pytest.mark.parametrize("realm", Realm)
def test_a_scene_comes_from_its_seed(realm: Realm) -> None:
    assert scene_of(5, realm) == scene_of(5, realm)
    assert scene_of(5, realm) != scene_of(6, realm)


def test_in_a_frozen_scene_nothing_moves() -> None:
    scene = compose_scene(random.Random(3), Realm.DEMO, 5.0, frozen=True)
    assert {group.motion for group in scene.groups} == {"still"}
    assert scene.camera == Camera()
