"""Caption on a real media store, with CoCa and CLIP untrained but loaded by the real code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.stages.clip_world import LENIENT, World, emitted, run, world
from vta_stream.domain.clip import Caption, Clip
from vta_stream.domain.verdict import Verdict
from vta_stream.media.frames import read_frames
from vta_stream.plugins import load_captioners, load_filters, load_scorers
from vta_stream.ports import Captioner, ClipInputs, Models
from vta_stream.scorers.base import best_match
from vta_stream.settings.work import CaptionSettings, ScoreSettings
from vta_stream.stages.caption import CaptionStage, caption_scores
from vta_stream.stages.score import ScoreStage


@pytest.fixture
def here(tmp_path: Path, tiny_clip: Path, tiny_coca: Path) -> World:
    return world(tmp_path, tiny_clip, tiny_coca)


class Says:
    """A captioner that says what it is told; what is empty it does not say."""

    def __init__(self, *texts: str, model: str | None = "talker") -> None:
        self._texts, self._model = texts, model

    def setup(self, models: Models) -> None:
        self.was_set_up = True

    def caption(self, batch: Sequence[ClipInputs]) -> Sequence[Caption | None]:
        texts = self._texts[: len(batch)]
        return [Caption("says", text, self._model) if text else None for text in texts]


def stage_of(here: World, captioners: dict[str, Captioner] | None = None, **limits: dict[str, Any]) -> CaptionStage:
    filters = load_filters({"motion": {}, **LENIENT, **limits})
    chosen = captioners if captioners is not None else load_captioners({"transcript": {}, "coca": {}})
    return CaptionStage(here.store, chosen, filters, here.models, CaptionSettings(), read_frames)


@pytest.fixture
async def stage(here: World) -> AsyncIterator[CaptionStage]:
    stage = stage_of(here)
    await stage.setup()
    yield stage
    await stage.close()


async def scored(here: World, *clips: Clip) -> list[Clip]:
    stage = ScoreStage(
        here.store, load_scorers({"clip_match": {}}), load_filters(LENIENT), here.models, ScoreSettings(), read_frames
    )
    await stage.setup()
    outcomes = await run(stage, "clips.segmented", *clips)
    await stage.close()
    return [emitted(outcome)[1] for outcome in outcomes]


async def test_transcript_and_coca_each_with_its_match(here: World, stage: CaptionStage) -> None:
    (before,) = await scored(here, here.segmented())
    topic, clip = emitted((await run(stage, "clips.scored", before))[0])
    assert topic == "clips.captioned"
    spoken, seen = clip.captions
    assert (spoken.captioner, spoken.text, spoken.model) == ("transcript", before.text, None)
    assert (seen.captioner, seen.model) == ("coca", here.models.captions().model_id)
    assert seen.text
    assert spoken.match == pytest.approx(before.scores.values["clip_match"], abs=1e-3)
    assert clip.scores.values["caption_match"] == seen.match
    assert [verdict.filter for verdict in clip.verdicts] == ["clip_match", "caption_match"]


async def test_the_caption_is_of_the_middle_frame(here: World, stage: CaptionStage) -> None:
    clip = here.segmented()
    _, images = read_frames(here.store.path(clip.frames_path))
    _, captioned = emitted((await run(stage, "clips.scored", clip))[0])
    assert captioned.captions[1].text == here.models.captions().caption([images[4]])[0]


async def test_the_features_of_score_are_used_again(here: World, stage: CaptionStage) -> None:
    clips = await scored(here, *(here.segmented(f"vid-{n}", seed=n) for n in range(2)))
    here.clip_model.images.clear()
    outcomes = await run(stage, "clips.scored", *clips)
    assert sum(here.clip_model.images) == 0
    assert [emitted(outcome)[1].features for outcome in outcomes] == [clip.features for clip in clips]


async def test_without_features_they_are_made_and_handed_on(here: World, stage: CaptionStage) -> None:
    _, clip = emitted((await run(stage, "clips.scored", here.segmented()))[0])
    assert clip.features is not None
    assert clip.features.frame_count == 8


async def test_matches_belong_to_their_clip_where_some_have_no_caption(here: World) -> None:
    stage = stage_of(here, {"says": Says("a red circle", "", "a blue square")})
    await stage.setup()
    clips = [here.segmented(f"vid-{n}", seed=n) for n in range(3)]
    outcomes = [emitted(outcome)[1] for outcome in await run(stage, "clips.scored", *clips)]
    for n, text in ((0, "a red circle"), (2, "a blue square")):
        _, images = read_frames(here.store.path(clips[n].frames_path))
        expected = best_match(here.clip_model.embed_images(images), here.clip_model.embed_texts([text])[0])
        assert outcomes[n].captions[0].match == pytest.approx(expected, abs=1e-3)
    assert outcomes[1].captions == ()
    assert outcomes[1].scores.failures == {"caption_match": "there is no caption at all"}
    await stage.close()


async def test_a_caption_that_does_not_fit_rejects_with_both_stages_verdicts(here: World) -> None:
    stage = stage_of(here, caption_match={"minimum": 0.999})
    await stage.setup()
    (before,) = await scored(here, here.segmented())
    topic, clip = emitted((await run(stage, "clips.scored", before))[0])
    assert topic == "clips.rejected"
    assert [(verdict.filter, verdict.keep) for verdict in clip.verdicts] == [
        ("clip_match", True),
        ("caption_match", False),
    ]
    assert len(clip.captions) == 2, "a rejected clip keeps its captions"
    await stage.close()


async def test_a_second_attempt_says_its_verdict_once(here: World, stage: CaptionStage) -> None:
    earlier = (Verdict("motion", True, "moves"), Verdict("caption_match", False, "said by an earlier attempt"))
    _, clip = emitted((await run(stage, "clips.scored", here.segmented(verdicts=earlier)))[0])
    assert [(verdict.filter, verdict.keep) for verdict in clip.verdicts] == [("motion", True), ("caption_match", True)]


async def test_only_the_transcript_leaves_nothing_to_judge(here: World) -> None:
    stage = stage_of(here, load_captioners({"transcript": {}}))
    await stage.setup()
    topic, clip = emitted((await run(stage, "clips.scored", here.segmented()))[0])
    assert topic == "clips.captioned"
    assert "caption_match" not in {**clip.scores.values, **clip.scores.failures}
    assert "does not apply" in clip.verdicts[-1].reason
    await stage.close()


async def test_frames_that_are_gone(here: World, stage: CaptionStage) -> None:
    gone, well = here.segmented("vid-0"), here.segmented("vid-1")
    here.store.remove_video("vid-0")
    lost, done = await run(stage, "clips.scored", gone, well)
    assert getattr(lost, "reason", None) == "media_gone"
    assert emitted(done)[0] == "clips.captioned"


def test_the_best_of_the_generated_captions_counts() -> None:
    captions = [Caption("transcript", "a", None, 0.9), Caption("one", "b", "m", 0.2), Caption("two", "c", "m", 0.3)]
    assert caption_scores(captions).values == {"caption_match": 0.3}
    assert caption_scores([Caption("one", "b", "m")]).failures == {"caption_match": "there are no frames to match"}
