"""Speech ratio, words per second, recognition confidence and longest word, on words whose times are known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import clip
from tests.scorers.inputs import Given
from vta_stream.domain.clip import Cut, Span
from vta_stream.domain.scores import Scores
from vta_stream.domain.transcript import Word
from vta_stream.plugins import load_scorers


def score(name: str, **changes: Any) -> Scores:
    return load_scorers({name: {}})[name].score([Given(clip(start_s=10.0, end_s=20.0, **changes))])[0]


def word(start_s: float, end_s: float, probability: float | None = None) -> Word:
    return Word("word", start_s, end_s, probability)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((word(11, 13), word(14, 15)), 0.3),
        ((word(11, 14), word(13, 15)), 0.4),  # two speakers at once
        ((word(5, 12), word(19, 30)), 0.3),  # only what lies within the clip
        ((word(0, 100),), 1.0),
        ((word(1, 2),), 0.0),
    ],
)
def test_speech_ratio_is_the_union_within_the_span(words: tuple[Word, ...], expected: float) -> None:
    assert score("speech_ratio", words=words).values["speech_ratio"] == pytest.approx(expected)


def test_a_clip_without_text_is_silent_not_unknown() -> None:
    assert score("speech_ratio", text=" ", words=()) == Scores({"speech_ratio": 0.0})
    assert score("words_per_second", text=" ", words=()) == Scores({"words_per_second": 0.0})


def test_text_without_times_leaves_the_ratio_out() -> None:
    assert score("speech_ratio", words=()) == Scores()


def test_words_per_second_counts_words_else_the_text() -> None:
    assert score("words_per_second", words=(word(11, 12),) * 25).values["words_per_second"] == 2.5
    assert score("words_per_second", text="one two  three", words=()).values["words_per_second"] == 0.3


def test_confidence_is_the_mean_of_recognised_words() -> None:
    words = (word(11, 12, 0.5), word(12, 13, 1.0), word(13, 14))
    assert score("asr_confidence", transcript_source="asr", words=words).values["asr_confidence"] == 0.75


def test_subtitles_have_no_confidence() -> None:
    assert score("asr_confidence", words=(word(11, 12, 0.5),)) == Scores()


def test_recognised_words_without_probabilities_are_a_failure() -> None:
    assert score("asr_confidence", transcript_source="asr", words=(word(11, 12),)).failures.keys() == {"asr_confidence"}


def test_duration_is_what_was_cut() -> None:
    cut = Cut(Span(10.0, 20.0), Span(10.0, 19.6), 240, 0.0)
    assert score("duration", cut=cut).values["duration"] == pytest.approx(9.6)


def test_the_longest_word_is_that_of_recognised_speech() -> None:
    words = (word(11, 11.5, 0.5), word(12, 14.25, 1.0), word(14.25, 15))
    assert score("longest_word", transcript_source="asr", words=words).values == {"longest_word": 2.25}
    assert score("longest_word", transcript_source="asr", text="", words=()) == Scores()
    assert score("longest_word", words=words) == Scores(), "the times of subtitles are shared out, not heard"
