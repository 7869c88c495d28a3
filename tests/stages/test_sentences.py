"""Cues to words to sentences."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vta_stream.domain.transcript import Cue, Word
from vta_stream.stages.sentences import ends_sentence, join_words, sentences, timed_words


def said(text: str, start_s: float, word_s: float = 0.3, gap_s: float = 0.05) -> Cue:
    """A cue whose words have times, each `word_s` long and `gap_s` apart."""
    words = tuple(
        Word(word, start_s + number * (word_s + gap_s), start_s + number * (word_s + gap_s) + word_s)
        for number, word in enumerate(text.split())
    )
    return Cue(text, start_s, words[-1].end_s, words)


def texts(cues: list[Cue], pause_s: float = 0.6) -> list[str]:
    return [join_words(sentence.words) for sentence in sentences(cues, pause_s)]


@pytest.mark.parametrize(
    ("word", "ends"),
    [
        ("it.", True), ('it."', True), ("what?!", True), ("。", True), ("wait…", True), ("no.", True), ("I.", True),
        ("Dr.", False), ("e.g.", False), ("J.", False), ("it", False), ("3.5", False), ("it,", False),
    ],
)  # fmt: skip
def test_ends_sentence(word: str, ends: bool) -> None:
    assert ends_sentence(word) is ends


def test_punctuation_ends_sentences_and_cues_do_not() -> None:
    cues = [said("Dr. Smith sees a red", 0.0), said("circle. It moves", 1.8), said("left.", 2.9)]
    assert texts(cues) == ["Dr. Smith sees a red circle.", "It moves left."]


def test_a_pause_ends_a_sentence_without_punctuation() -> None:
    cues = [said("a red circle", 0.0), said("moves left", 1.55), said("and stops", 2.9)]
    assert texts(cues, pause_s=0.6) == ["a red circle moves left", "and stops"]
    assert texts(cues, pause_s=0.5) == ["a red circle", "moves left", "and stops"]
    assert texts(cues, pause_s=9.9) == ["a red circle moves left and stops"]


def test_words_without_times_are_interpolated_by_characters() -> None:
    words = timed_words(Cue("a red circle", 10.0, 12.0))
    assert [(word.text, word.start_s, word.end_s) for word in words] == [
        ("a", 10.0, 10.2), ("red", 10.2, pytest.approx(10.8)), ("circle", pytest.approx(10.8), 12.0),
    ]  # fmt: skip


def test_a_caption_that_only_stays_on_the_screen_is_not_spoken_all_the_time() -> None:
    words = timed_words(Cue("a red circle", 10.0, 70.0))
    assert words[-1].end_s == 12.5  # ten characters at four a second


def test_text_without_spaces() -> None:
    words = timed_words(Cue("赤い円、動く。", 0.0, 2.0))
    assert [word.text for word in words] == ["赤", "い", "円、", "動", "く。"]
    assert join_words(words) == "赤い円、動く。"
    assert join_words(timed_words(Cue("a 円 b", 0.0, 1.0))) == "a 円 b"


def test_white_space_of_the_recogniser_is_dropped_and_words_of_no_length_are_kept() -> None:
    cue = Cue(
        "x", 0.0, 1.0, (Word(" a", 0.0, 0.5, 0.9), Word(" b", 0.5, 0.5), Word(" ", 0.5, 0.6), Word("c", 0.9, 0.7))
    )
    assert timed_words(cue) == (Word("a", 0.0, 0.5, 0.9), Word("b", 0.5, 0.5))


def test_two_people_at_once_are_one_sentence_in_reading_order() -> None:
    cues = [Cue("How are you?", 0.0, 3.0), Cue("I am well.", 1.0, 3.5), Cue("Good.", 4.0, 5.0)]
    assert texts(cues) == ["How are you? I am well.", "Good."]


def test_captions_that_overlap_by_a_moment_follow_each_other() -> None:
    found = sentences([Cue("It is red.", 0.0, 2.05), Cue("It is blue.", 2.0, 4.0)], 0.6)
    assert [join_words(sentence.words) for sentence in found] == ["It is red.", "It is blue."]
    assert all(before.end_s <= after.start_s for before, after in pairwise(found))


def test_cues_without_words_or_times_say_nothing() -> None:
    assert sentences([Cue("", 0.0, 1.0), Cue("x", 2.0, 2.0), Cue("   ", 3.0, 4.0)], 0.6) == ()
