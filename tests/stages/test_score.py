"""Score on a real media store, with the real loading code of an untrained model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stages.clip_world import LENIENT, World, emitted, run, world
from vta_stream import metrics
from vta_stream.domain.scores import Scores
from vta_stream.media.frames import read_frames
from vta_stream.models.base import ModelLoader
from vta_stream.models.image_text import OpenClip
from vta_stream.models.shared import SharedModels
from vta_stream.plugins import load_filters, load_scorers
from vta_stream.ports import ClipInputs, Models, TerminalError, TransientError
from vta_stream.settings import Settings
from vta_stream.settings.work import ModelSettings, ModelsSettings, ScoreSettings
from vta_stream.stages.score import ScoreStage

SCORERS = load_scorers(Settings().scorers)
NAMES = {"motion", "shot_purity", *SCORERS} - {"asr_confidence", "longest_word"}


@pytest.fixture
def here(tmp_path: Path, tiny_clip: Path, tiny_coca: Path) -> World:
    return world(tmp_path, tiny_clip, tiny_coca)


def stage_of(here: World, scorers: Any = SCORERS, **limits: dict[str, Any]) -> ScoreStage:
    filters = load_filters({**Settings().filters, **LENIENT, **limits})
    return ScoreStage(here.store, scorers, filters, here.models, ScoreSettings(), read_frames)


@pytest.fixture
async def stage(here: World) -> AsyncIterator[ScoreStage]:
    stage = stage_of(here)
    await stage.setup()
    yield stage
    await stage.close()


async def test_all_scores_and_all_verdicts(here: World, stage: ScoreStage) -> None:
    topic, clip = emitted((await run(stage, "clips.segmented", here.segmented()))[0])
    assert topic == "clips.scored"
    assert set(clip.scores.values) == NAMES
    assert not clip.scores.failures
    assert [verdict.filter for verdict in clip.verdicts] == [n for n in Settings().filters if n != "caption_match"]
    assert clip.accepted
    assert clip.judged_at_s is not None


async def test_a_rejected_clip_keeps_every_score_and_every_verdict(here: World) -> None:
    stage = stage_of(here, motion={"minimum": 50}, duration={"maximum": 3}, sharpness={"minimum": 1e9})
    await stage.setup()
    topic, clip = emitted((await run(stage, "clips.segmented", here.segmented()))[0])
    assert topic == "clips.rejected"
    assert {verdict.filter for verdict in clip.verdicts if not verdict.keep} == {"motion", "duration", "sharpness"}
    assert len(clip.verdicts) == len(Settings().filters) - 1, "all but that of the caption, which is not yet there"
    assert set(clip.scores.values) == NAMES
    await stage.close()


async def test_one_joint_pass_for_the_batch(here: World, stage: ScoreStage) -> None:
    here.clip_model.images.clear()
    here.clip_model.texts.clear()
    clips = [here.segmented(f"vid-{n}", seed=n, text=text) for n, text in enumerate(("one two", "", "three four"))]
    outcomes = await run(stage, "clips.segmented", *clips)
    assert here.clip_model.images == [24]
    assert here.clip_model.texts == [2]
    assert [emitted(outcome)[1].video_id for outcome in outcomes] == ["vid-0", "vid-1", "vid-2"]
    assert "clip_match" not in emitted(outcomes[1])[1].scores.values


async def test_a_batch_scores_each_clip_as_if_alone(here: World, stage: ScoreStage) -> None:
    clips = [here.segmented(f"vid-{n}", seed=n, text=f"text {n}") for n in range(3)]
    together = [emitted(outcome)[1].scores for outcome in await run(stage, "clips.segmented", *clips)]
    for clip in clips:
        here.store.remove_video(clip.video_id)
    alone = []
    for n in range(3):
        clip = here.segmented(f"vid-{n}", seed=n, text=f"text {n}")
        alone.append(emitted((await run(stage, "clips.segmented", clip))[0])[1].scores)
    for one, other in zip(together, alone, strict=True):
        assert one.values == pytest.approx(dict(other.values), abs=1e-3)
    assert len({scores.values["clip_match"] for scores in together}) == 3


async def test_features_are_stored_as_float16_and_described(here: World, stage: ScoreStage) -> None:
    _, clip = emitted((await run(stage, "clips.segmented", here.segmented()))[0])
    features = clip.features
    assert features is not None
    assert (features.model, features.dim, features.frame_count) == (here.clip_model.model_id, here.clip_model.dim, 8)
    with np.load(here.store.path(features.path), allow_pickle=False) as arrays:
        assert arrays["frames"].shape == (8, features.dim)
        assert arrays["text"].shape == (features.dim,)
        assert arrays["frames"].dtype == arrays["text"].dtype == np.float16


async def test_a_redelivery_finds_the_features_and_scores_the_same(here: World, stage: ScoreStage) -> None:
    clip = here.segmented()
    _, first = emitted((await run(stage, "clips.segmented", clip))[0])
    here.clip_model.images.clear()
    _, second = emitted((await run(stage, "clips.segmented", clip))[0])
    assert sum(here.clip_model.images) == 0
    assert dataclasses.replace(second, judged_at_s=first.judged_at_s) == first


async def test_damaged_features_are_made_again(here: World, stage: ScoreStage) -> None:
    clip = here.segmented()
    _, first = emitted((await run(stage, "clips.segmented", clip))[0])
    assert first.features is not None
    here.store.path(first.features.path).write_bytes(b"PK torn")
    _, second = emitted((await run(stage, "clips.segmented", clip))[0])
    assert second.scores == first.scores


async def test_missing_and_damaged_frames_fail_their_clip_alone(here: World, stage: ScoreStage) -> None:
    gone, torn, well = (here.segmented(f"vid-{n}", seed=n) for n in range(3))
    here.store.remove_video("vid-0")
    here.store.path(torn.frames_path).write_bytes(b"no frames")
    outcomes = await run(stage, "clips.segmented", gone, torn, well)
    assert isinstance(outcomes[0], TerminalError)
    assert outcomes[0].reason == "media_gone"
    assert isinstance(outcomes[1], TerminalError)
    assert outcomes[1].reason == "frames_damaged"
    assert emitted(outcomes[2])[0] == "clips.scored"


class Moody:
    """A scorer of somebody's own: measures what it likes of whom it likes."""

    def setup(self, models: Models) -> None:
        self.was_set_up = True

    def score(self, batch: Sequence[ClipInputs]) -> Sequence[Scores]:
        return [
            Scores(failures={"mood": "moody"}) if inputs.clip.video_id == "vid-0" else Scores({"mood": 0.5})
            for inputs in batch
        ]


async def test_a_failed_measurement_is_a_reason_of_one_clip(here: World) -> None:
    moody = Moody()
    stage = stage_of(here, {"mood": moody, "duration": SCORERS["duration"]})
    await stage.setup()
    assert moody.was_set_up
    failures = metrics.REGISTRY.get_sample_value("vta_score_failures_total", {"score": "mood"}) or 0
    one, other = await run(stage, "clips.segmented", here.segmented("vid-0"), here.segmented("vid-1"))
    assert emitted(one)[1].scores.failures == {"mood": "moody"}
    assert emitted(other)[1].scores.values["mood"] == 0.5
    assert metrics.REGISTRY.get_sample_value("vta_score_failures_total", {"score": "mood"}) == failures + 1
    assert emitted(one)[1].features is None, "nobody asked for embeddings"
    await stage.close()


async def test_scores_reach_the_metrics(here: World, stage: ScoreStage) -> None:
    def count(name: str) -> float:
        return metrics.REGISTRY.get_sample_value("vta_score_count", {"score": name}) or 0

    before = {name: count(name) for name in NAMES}
    await run(stage, "clips.segmented", here.segmented())
    assert {name: count(name) - before[name] for name in NAMES} == dict.fromkeys(NAMES, 1)


async def test_a_clip_without_speech_is_rejected_for_its_silence(here: World, stage: ScoreStage) -> None:
    silent = here.segmented(text="", words=(), transcript_source="none")
    topic, clip = emitted((await run(stage, "clips.segmented", silent))[0])
    assert topic == "clips.rejected"
    assert {verdict.filter for verdict in clip.verdicts if not verdict.keep} == {"speech_ratio", "words_per_second"}


async def test_a_missing_model_refuses_the_start(here: World, tmp_path: Path) -> None:
    loader = ModelLoader(ModelsSettings(device="cpu"))
    absent = SharedModels(lambda: OpenClip(ModelSettings(name=str(tmp_path / "none")), loader), here.models.captions)
    stage = ScoreStage(here.store, SCORERS, (), absent, ScoreSettings(), read_frames)
    with pytest.raises(TerminalError) as caught:
        await stage.setup()
    assert caught.value.reason == "model_missing"
    await stage.close()
    await stage.close()


async def test_without_the_match_no_model_is_loaded(here: World, tmp_path: Path) -> None:
    loader = ModelLoader(ModelsSettings(device="cpu"))
    absent = SharedModels(lambda: OpenClip(ModelSettings(name=str(tmp_path / "none")), loader), here.models.captions)
    scorers = load_scorers({"duration": {}, "sharpness": {}})
    stage = ScoreStage(here.store, scorers, (), absent, ScoreSettings(), read_frames)
    await stage.setup()
    _, clip = emitted((await run(stage, "clips.segmented", here.segmented()))[0])
    assert set(clip.scores.values) == {"motion", "shot_purity", "duration", "sharpness"}
    await stage.close()


class Cramped(OpenClip):
    def embed_images(self, images: Sequence[Any]) -> Any:
        raise TransientError("out_of_memory", "no room")


async def test_an_error_of_the_batch_is_each_clips_outcome(here: World, tiny_clip: Path) -> None:
    loader = ModelLoader(ModelsSettings(device="cpu"))
    cramped = SharedModels(lambda: Cramped(ModelSettings(name=str(tiny_clip)), loader), here.models.captions)
    stage = ScoreStage(here.store, SCORERS, (), cramped, ScoreSettings(), read_frames)
    await stage.setup()
    outcomes = await run(stage, "clips.segmented", here.segmented("vid-0"), here.segmented("vid-1"))
    assert [type(outcome) for outcome in outcomes] == [TransientError, TransientError]
    await stage.close()


async def test_no_score_is_a_magic_number(here: World, stage: ScoreStage) -> None:
    _, clip = emitted((await run(stage, "clips.segmented", here.segmented()))[0])
    assert all(math.isfinite(value) for value in clip.scores.values.values())
    assert set(clip.scores.values) & set(clip.scores.failures) == set()
