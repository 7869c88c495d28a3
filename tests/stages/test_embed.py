from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.stages.clip_world import World, emitted, run, world
from vta_stream.domain.clip import Features
from vta_stream.media.frames import read_frames, write_frames
from vta_stream.ports import TerminalError
from vta_stream.settings.work import EmbedSettings
from vta_stream.stages.clip_inputs import read_features
from vta_stream.stages.embed import EmbedStage


@pytest.fixture
def here(tmp_path: Path, tiny_clip: Path, tiny_coca: Path) -> World:
    return world(tmp_path, tiny_clip, tiny_coca)


@pytest.fixture
async def stage(here: World) -> AsyncIterator[EmbedStage]:
    stage = EmbedStage(here.store, here.models, EmbedSettings(), read_frames)
    await stage.setup()
    here.clip_model.images.clear()
    yield stage
    await stage.close()


async def test_embeddings_of_frames_and_text(here: World, stage: EmbedStage) -> None:
    topic, clip = emitted((await run(stage, "clips.captioned", here.segmented()))[0])
    assert topic == "clips.embedded"
    assert clip.features is not None
    found = read_features(here.store.path(clip.features.path), here.clip_model.dim)
    assert found is not None
    _, images = read_frames(here.store.path(clip.frames_path))
    assert found[0] == pytest.approx(here.clip_model.embed_images(images), abs=1e-3)
    assert found[1] == pytest.approx(here.clip_model.embed_texts([clip.text])[0], abs=1e-3)


async def test_features_of_the_same_weights_are_used_without_frames_or_model(here: World, stage: EmbedStage) -> None:
    _, clip = emitted((await run(stage, "clips.captioned", here.segmented()))[0])
    here.clip_model.images.clear()
    here.store.path(clip.frames_path).unlink()
    _, again = emitted((await run(stage, "clips.captioned", clip))[0])
    assert again == clip
    assert sum(here.clip_model.images) == 0


async def test_features_of_other_weights_are_made_anew(here: World, stage: EmbedStage) -> None:
    clip = here.segmented()
    other = Features("another@model", "vid-1/features-0/features.npz", here.clip_model.dim, 8)
    here.store.path(other.path).parent.mkdir(parents=True)
    np.savez(here.store.path(other.path), frames=np.zeros((8, other.dim)), text=np.zeros(other.dim))
    _, embedded = emitted((await run(stage, "clips.captioned", dataclasses.replace(clip, features=other)))[0])
    assert embedded.features is not None
    assert embedded.features.model == here.clip_model.model_id
    assert embedded.features.path != other.path
    assert here.clip_model.images == [8]


async def test_a_batch_of_both_kinds(here: World, stage: EmbedStage) -> None:
    _, known = emitted((await run(stage, "clips.captioned", here.segmented("vid-0")))[0])
    here.clip_model.images.clear()
    fresh, silent = here.segmented("vid-1", seed=1), here.segmented("vid-2", seed=2, text="", words=())
    outcomes = [emitted(each)[1] for each in await run(stage, "clips.captioned", fresh, known, silent)]
    assert [clip.video_id for clip in outcomes] == ["vid-1", "vid-0", "vid-2"]
    assert here.clip_model.images == [16]
    features = outcomes[2].features
    assert features is not None
    with np.load(here.store.path(features.path), allow_pickle=False) as arrays:
        assert set(arrays) == {"frames"}, "no text, no text embedding"


async def test_features_that_are_gone_are_made_again_and_without_frames_it_ends(here: World, stage: EmbedStage) -> None:
    _, clip = emitted((await run(stage, "clips.captioned", here.segmented()))[0])
    assert clip.features is not None
    here.store.path(clip.features.path).unlink()
    _, again = emitted((await run(stage, "clips.captioned", clip))[0])
    assert again.features == clip.features
    here.store.remove_video(clip.video_id)
    (lost,) = await run(stage, "clips.captioned", clip)
    assert isinstance(lost, TerminalError)
    assert lost.reason == "media_gone"


async def test_a_clip_without_sampled_frames_ends(here: World, stage: EmbedStage) -> None:
    bare, well = here.segmented("vid-0"), here.segmented("vid-1")
    write_frames(here.store.path(bare.frames_path), [], [])
    lost, done = await run(stage, "clips.captioned", bare, well)
    assert isinstance(lost, TerminalError)
    assert lost.reason == "no_frames"
    assert emitted(done)[0] == "clips.embedded"


@pytest.mark.parametrize(
    "arrays",
    [
        {"frames": np.zeros((8, 5))},
        {"frames": np.zeros(32)},
        {"frames": np.zeros((8, 32)), "text": np.zeros(31)},
        {"text": np.zeros(32)},
        {"frames": np.array([{"a": 1}], dtype=object)},
    ],
)
def test_what_is_no_features_file_is_not_read(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez(tmp_path / "features.npz", **arrays)
    assert read_features(tmp_path / "features.npz", 32) is None
    np.savez(tmp_path / "good.npz", frames=np.zeros((8, 32)))
    assert read_features(tmp_path / "good.npz", 32) is not None
