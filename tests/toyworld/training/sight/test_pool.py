import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vta_stream.models.base import ModelLoader
from vta_stream.settings.work import ModelSettings, ModelsSettings
from vta_stream.toyworld.training.sight import pool as pools
from vta_stream.toyworld.training.sight.model import HEIGHT_PX, WIDTH_PX, make_network, write_model
from vta_stream.toyworld.training.sight.pool import MOMENTS, Crowds, Pool, build_pools, squashed, worn
from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.picture import render
from vta_stream.toyworld.world.realm import Realm, realm_of


def test_a_broken_off_pool_goes_on_and_becomes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()
    whole, crowds = Pool(tmp_path / "whole", 60, 0), Crowds(tmp_path / "whole", 4, 0)
    build_pools(whole, crowds, told.append)
    assert (whole.ready, crowds.ready) == (60 * MOMENTS, 4)
    assert told == ["4 of 4 pictures of crowds are rendered", "180 of 180 pictures of scenes are rendered"]
    broken = Pool(tmp_path / "broken", 60, 0)
    rendered = list[int]()

    def dies(self: Pool, number: int) -> None:
        rendered.append(number)
        if len(rendered) == 55:
            raise KeyboardInterrupt
        fill_one(self, number)

    fill_one = Pool.fill
    monkeypatch.setattr(Pool, "fill", dies)
    with pytest.raises(KeyboardInterrupt):
        broken.build()
    assert broken.ready == 50 * MOMENTS, "what is ready is whole"
    Pool(tmp_path / "broken", 60, 0).build()
    assert rendered[55:] == list(range(50, 60))
    again = Pool(tmp_path / "broken", 60, 0)
    assert again.ready == 60 * MOMENTS
    assert np.array_equal(again.frames, whole.frames)
    assert np.array_equal(again.facts, whole.facts)


def test_another_seed_makes_other_pictures_and_other_settings_are_refused(tmp_path: Path) -> None:
    one, other = Pool(tmp_path, 2, 0), Pool(tmp_path, 2, 1)
    one.build()
    other.build()
    assert not np.array_equal(one.frames, other.frames)
    with pytest.raises(ValueError, match="other settings"):
        Pool(tmp_path, 3, 0)


def test_only_training_scenes_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = list[str]()

    def watched(rng: random.Random, realm: Realm, duration_s: float) -> object:
        scene = compose_scene(rng, realm, duration_s)
        keys.append(scene.key())
        return scene

    monkeypatch.setattr(pools, "compose_scene", watched)
    Pool(tmp_path, 10, 0).build()
    assert len(keys) == 10
    assert {realm_of(key) for key in keys} == {Realm.TRAINING}


def test_pictures_are_squashed_as_the_shipped_preprocessing_does_it(tmp_path: Path) -> None:
    write_model(tmp_path, make_network(0).state_dict())
    loaded = ModelLoader(ModelsSettings(device="cpu")).load(ModelSettings(name=str(tmp_path)), "setting", "purpose")
    picture = render(compose_scene(random.Random(0), Realm.TRAINING, 5.0), 1.0)
    theirs = loaded.preprocess(picture).permute(1, 2, 0).numpy()
    ours = np.asarray(squashed(picture), dtype=np.float32) / 127.5 - 1
    assert ours.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert np.abs(theirs - ours).max() < 0.01


def test_wear_stays_close_to_the_picture() -> None:
    picture = render(compose_scene(random.Random(1), Realm.TRAINING, 5.0), 1.0)
    plain = np.asarray(squashed(picture), dtype=int)
    worn_ones = [np.asarray(worn(picture, random.Random(seed)), dtype=int) for seed in range(6)]
    differences = [np.abs(one - plain).mean() for one in worn_ones]
    assert 0 < min(differences) <= max(differences) < 8
    assert isinstance(worn(picture, random.Random(0)), Image.Image)
