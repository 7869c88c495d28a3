"""What every scorer holds to, whoever wrote it: one file in `scorers/` is enough to be tested here."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from tests.builders import clip
from tests.scorers.inputs import Given, frames
from vta_stream.plugins import load_scorers, plugin_names
from vta_stream.ports import Scorer

UNIT = np.eye(4, dtype=np.float32)


def healthy(video_id: str = "vid-1") -> Given:
    return Given(clip(video_id), frames(), UNIT, UNIT[1])


def wordless() -> Given:
    return Given(clip("vid-2", text="", words=()), frames(1), UNIT, None)


def torn() -> Given:
    """No frames at all, hence no embeddings, and a recogniser that said nothing of its certainty."""
    return Given(clip("vid-3", transcript_source="asr"), [], UNIT[:0], UNIT[0])


@pytest.mark.parametrize("name", plugin_names("scorers"))
class TestEveryScorer:
    @pytest.fixture
    def scorer(self, name: str) -> Scorer:
        return load_scorers({name: {}})[name]

    def test_is_a_frozen_dataclass_with_a_docstring(self, scorer: Any) -> None:
        assert dataclasses.is_dataclass(scorer)
        assert type(scorer).__doc__ != type(scorer).__mro__[1].__doc__
        with pytest.raises(dataclasses.FrozenInstanceError):
            scorer.anything = 1

    def test_one_answer_a_clip_in_order(self, scorer: Scorer) -> None:
        batch = [healthy(), wordless(), torn(), healthy()]
        together = scorer.score(batch)
        assert len(together) == 4
        assert list(together) == [scorer.score([each])[0] for each in batch]
        assert scorer.score([]) == []

    def test_a_number_or_a_reason_never_both(self, scorer: Scorer) -> None:
        for scores in scorer.score([healthy(), wordless(), torn()]):
            assert all(math.isfinite(value) for value in scores.values.values())
            assert all(reason for reason in scores.failures.values())
            assert not set(scores.values) & set(scores.failures)

    def test_a_failure_stays_with_its_clip(self, name: str, scorer: Scorer) -> None:
        alone = scorer.score([healthy()])[0]
        beside = scorer.score([torn(), healthy(), torn()])[1]
        assert alone == beside
        assert set(alone.values) | set(alone.failures) <= {name}

    def test_scoring_changes_nothing(self, scorer: Scorer) -> None:
        inputs = healthy()
        before, pixels = inputs.clip, [image.copy() for image in inputs.images]
        assert scorer.score([inputs]) == scorer.score([inputs])
        assert inputs.clip == before
        assert all(np.array_equal(one, other) for one, other in zip(inputs.images, pixels, strict=True))


def test_every_scorer_measures_a_healthy_clip_but_for_recognition() -> None:
    scorers = load_scorers({name: {} for name in plugin_names("scorers")})
    silent = {name for name, scorer in scorers.items() if not scorer.score([healthy()])[0].values}
    assert silent == {"asr_confidence", "longest_word"}, "the clip has subtitles: nothing of a recogniser applies"


def test_clips_without_frames_fail_where_frames_are_needed() -> None:
    scorers = load_scorers({name: {} for name in plugin_names("scorers")})
    failed = {name for name, scorer in scorers.items() if scorer.score([torn()])[0].failures}
    assert failed == {"clip_match", "luminance", "sharpness", "asr_confidence"}
