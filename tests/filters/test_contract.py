"""What every filter holds to, whoever wrote it: one file in `filters/` is enough to be tested here."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from tests.builders import clip
from vta_stream.domain.clip import Caption, Clip
from vta_stream.domain.scores import Scores
from vta_stream.domain.transcript import Word
from vta_stream.filters.base import LimitFilter
from vta_stream.plugins import load_filters, plugin_names
from vta_stream.ports import Filter


def applicable(scores: Scores) -> Clip:
    """A clip for which every measurement applies: recognised words, and a model's caption."""
    return clip(
        transcript_source="asr",
        words=(Word("red", 1.2, 1.6, 0.9),),
        captions=(Caption("coca", "a red circle", model="m"),),
        scores=scores,
    )


@pytest.mark.parametrize("name", plugin_names("filters"))
class TestEveryFilter:
    @pytest.fixture
    def judge(self, name: str) -> Filter:
        return load_filters({name: {}})[0]

    def test_is_called_like_its_file(self, name: str, judge: Filter) -> None:
        assert judge.name == name
        assert judge.after in ("score", "caption")

    def test_is_a_frozen_dataclass_with_a_documented_default(self, judge: Any) -> None:
        assert dataclasses.is_dataclass(judge)
        assert "default" in (type(judge).__doc__ or ""), "the docstring cites where the default comes from"
        with pytest.raises(dataclasses.FrozenInstanceError):
            judge.minimum = 1.0

    def test_a_score_that_was_never_measured_rejects(self, judge: Filter) -> None:
        verdict = judge.judge(applicable(Scores()))
        assert (verdict.keep, verdict.value) == (False, None)
        assert "never measured" in verdict.reason

    def test_a_score_that_failed_rejects_with_its_reason(self, judge: Filter) -> None:
        for subject in (applicable, lambda scores: clip(text="", words=(), scores=scores)):
            verdict = judge.judge(subject(Scores(failures={judge.needs: "the frames are torn"})))
            assert (verdict.filter, verdict.keep, verdict.value) == (judge.name, False, None)
            assert "the frames are torn" in verdict.reason

    def test_no_number_rejects(self, judge: Filter) -> None:
        verdict = judge.judge(applicable(Scores({judge.needs: math.nan})))
        assert not verdict.keep
        assert "not a number" in verdict.reason

    def test_limits_are_kept_and_what_is_beyond_is_not(self, judge: Any) -> None:
        assert isinstance(judge, LimitFilter)
        limits = [(judge.minimum, -math.inf), (judge.maximum, math.inf)]
        assert any(limit is not None for limit, _ in limits), "a filter without a limit by default filters nothing"
        for limit, beyond in limits:
            if limit is None:
                continue
            at = judge.judge(applicable(Scores({judge.needs: limit})))
            past = judge.judge(applicable(Scores({judge.needs: math.nextafter(limit, beyond)})))
            assert (at.keep, at.value, at.limit) == (True, limit, limit)
            assert (past.keep, past.limit) == (False, limit)
            assert repr(past.value) in past.reason, "rounded to the limit it would read as if it were kept"

    def test_the_reason_is_a_sentence_with_value_and_limit(self, judge: Any) -> None:
        limit = judge.minimum if judge.minimum is not None else judge.maximum
        value = limit - 1 if judge.minimum is not None else limit + 1
        reason = judge.judge(applicable(Scores({judge.needs: value}))).reason
        assert reason.startswith(f"{judge.needs} is {value:.4g}")
        assert reason.endswith(f"{limit:.4g}{judge.unit}")

    def test_other_scores_do_not_matter(self, judge: Any) -> None:
        value = judge.minimum if judge.minimum is not None else judge.maximum
        plain = judge.judge(applicable(Scores({judge.needs: value})))
        beside = judge.judge(applicable(Scores({judge.needs: value, "other": -1.0}, {"another": "broke"})))
        assert plain == beside
