from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vta_stream.toyworld.evaluation import sight
from vta_stream.toyworld.evaluation.sight import Scores, is_full_caption, measure_sight
from vta_stream.toyworld.world.claims import caption, holds
from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.grammar import parse
from vta_stream.toyworld.world.realm import Realm, realm_of
from vta_stream.toyworld.world.scene import Backdrop, Camera, Group, Scene

if TYPE_CHECKING:
    from vta_stream.ports.models import Images, Vectors

SCENES = 30


class Oracle:
    """Knows the scenes of the pictures that it is shown, as far as the test lets it see."""

    model_id, dim = "oracle", SCENES * 3 + 1

    def __init__(self, scenes: list[Scene], blind_to: str = "") -> None:
        self._scenes, self._blind_to = scenes, blind_to
        self._shown = 0

    def setup(self) -> None:
        pass

    def embed_images(self, images: Sequence[Images]) -> Vectors:
        """Each picture has a dimension of its own."""
        vectors = np.zeros((len(images), self.dim), np.float32)
        vectors[np.arange(len(images)), self._shown + np.arange(len(images))] = 1
        self._shown += len(images)
        return vectors

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._text(text) for text in texts])

    def caption(self, images: Sequence[Images]) -> Sequence[str]:
        first = self._shown // 3 - len(images)
        return [caption(scene).text for scene in self._scenes[first : first + len(images)]]

    def _text(self, text: str) -> Vectors:
        """Long in the dimensions of all scenes of which it holds."""
        statements = [parse(part.strip() + ".") for part in text.split(".") if part.strip()]
        vector = np.zeros(self.dim, np.float32)
        for index, scene in enumerate(self._scenes):
            true = all(one is not None and holds(one, scene) for one in statements)
            if self._blind_to and self._blind_to in text:
                true = zlib.crc32(f"{text} {index}".encode()) % 2 == 0
            vector[3 * index : 3 * index + 3] = 0.9 if true else 0.05
        return vector


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> list[Scene]:
    """Those that are measured with, in their order."""
    seen = list[Scene]()

    def watched(rng: random.Random, realm: Realm, duration_s: float) -> Scene:
        seen.append(compose_scene(rng, realm, duration_s))
        return seen[-1]

    monkeypatch.setattr(sight, "compose_scene", watched)
    return seen


def test_who_knows_the_truth_gets_everything_right(scenes: list[Scene]) -> None:
    oracle, told = Oracle(scenes), list[tuple[int, int]]()
    figures = measure_sight(oracle, oracle, SCENES, progress=lambda done, total: told.append((done, total)))
    assert {realm_of(scene.key()) for scene in scenes} == {Realm.HELD_OUT}
    assert figures.scenes == len(scenes) == SCENES
    assert figures.auc_other_scene == figures.auc_filler == 1.0
    assert figures.auc_by_attribute == dict.fromkeys(("colour", "shape", "size", "count", "place", "relation"), 1.0)
    assert figures.accepted == figures.refused == 1.0
    assert figures.captions_right is not None
    assert figures.captions_right > 0.8, "some scenes have nothing that holds throughout but that a group is there"
    assert told == [(25, 30), (30, 30)]


def test_who_does_not_see_an_attribute_is_found_out(scenes: list[Scene]) -> None:
    figures = measure_sight(Oracle(scenes, blind_to="inside"), None, SCENES)
    found = figures.auc_by_attribute
    assert found["relation"] is not None
    assert found["colour"] is not None
    assert found["relation"] < found["colour"]
    assert figures.captions_right is None


def test_the_same_seed_asks_the_same(scenes: list[Scene]) -> None:
    measure_sight(Oracle(scenes), None, 5)
    first = list(scenes)
    scenes.clear()
    measure_sight(Oracle(scenes), None, 5)
    assert scenes == first
    scenes.clear()
    measure_sight(Oracle(scenes), None, 5, seed=1)
    assert scenes != first


def test_area_under_the_curve_by_hand() -> None:
    assert Scores([3.0, 4.0], [1.0, 2.0]).auc == 1.0
    assert Scores([1.0, 2.0], [3.0, 4.0]).auc == 0.0
    assert Scores([2.0, 2.0], [2.0]).auc == 0.5
    assert Scores([1.0, 3.0], [2.0]).auc == 0.5
    assert Scores([1.0], []).auc is None


RED = Group("circle", "red", "large", 1, "still", 110, 180, 62)
BLUE = Group("star", "blue", "small", 3, "still", 520, 90, 23)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("a large red circle is to the left of three small blue stars", True),
        ("Three small blue stars are to the right of a large red circle.", True),
        ("a large red circle is to the right of three small blue stars", False),
        ("a large red circle is to the left of two small blue stars", False),
        ("a red circle is to the left of three small blue stars", False),
        ("a large red circle is on the left", False),
        ("a large red circle", False),
        ("", False),
    ],
)
def test_a_full_caption_names_all_and_holds(text: str, full: bool) -> None:
    scene = Scene((RED, BLUE), Backdrop("plain", (90, 90, 90), (90, 90, 90), 0), Camera(), 1.0, 4.0)
    assert is_full_caption(text, scene, 2.0) is full
