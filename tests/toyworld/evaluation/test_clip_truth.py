"""A clip beside the truth, in cases small enough to be checked by eye."""

from __future__ import annotations

import dataclasses

import pytest

from tests.toyworld.evaluation.truths import clip, sentence, video
from vta_stream.toyworld.evaluation.clip_truth import border_errors_s, find_clip
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.truth import Kind

RED = sentence("A red circle moves up.", 2.0)  # to 4.5
BLUE = sentence("There is a star.", 5.0)  # to 7.0
ASIDE = sentence("Let us go on.", 7.5, Kind.FILLER)  # to 9.5
NEXT = sentence("The moon spins.", 12.0)  # to 13.5
WHOLE = video(RED, BLUE, ASIDE, NEXT)


def marks(start_s: float, end_s: float, text: str) -> list[str]:
    return [one.mark for one in find_clip(clip(start_s, end_s, text), WHOLE).sentences]


def test_a_clip_is_right_that_tells_good_sentences_whole_over_their_shot() -> None:
    found = find_clip(clip(1.9, 4.6, "a red circle moves up"), WHOLE)
    assert found.right
    assert [(one.truth, one.mark) for one in found.sentences] == [(RED, "right")]
    assert find_clip(clip(1.9, 7.2, "A red circle moves up. There is a star."), WHOLE).right


def test_a_rejected_clip_is_judged_in_the_same_way() -> None:
    assert find_clip(clip(1.9, 4.6, "A red circle moves up.", "sharpness"), WHOLE).right


def test_a_filler_may_be_told_and_even_misheard_but_not_alone() -> None:
    assert find_clip(clip(4.9, 9.6, "There is a star. Lettuce go on."), WHOLE).right
    assert marks(4.9, 9.6, "There is a star. Lettuce go on.") == ["right", "aside"]
    assert not find_clip(clip(7.4, 9.6, "Let us go on."), WHOLE).right


@pytest.mark.parametrize(
    "heard", ["A bread circle moves up.", "A red circle moves.", "", "A red circle moves upwards."]
)
def test_a_good_sentence_has_to_be_heard_word_for_word(heard: str) -> None:
    assert not find_clip(clip(1.9, 4.6, heard), WHOLE).right
    assert marks(1.9, 4.6, heard) == ["misheard"]


def test_a_sentence_that_lacks_a_word_is_torn_and_one_word_of_another_is_enough_to_tear_it() -> None:
    assert marks(2.6, 4.6, "red circle moves up") == ["torn"]
    assert marks(1.9, 5.4, "A red circle moves up. There") == ["right", "torn"]
    assert not find_clip(clip(1.9, 5.4, "A red circle moves up. There"), WHOLE).right


def test_what_is_told_of_another_scene_is_wrong() -> None:
    wrong = dataclasses.replace(RED, right=False)
    found = find_clip(
        clip(1.9, 7.2, "A red circle moves up. There is a star."), video(wrong, BLUE, defect=Defect.OTHER_SCENE)
    )
    assert [one.mark for one in found.sentences] == ["wrong", "right"]
    assert not found.right


def test_nothing_is_right_in_a_video_that_is_wrong_as_a_whole() -> None:
    assert not find_clip(clip(1.9, 4.6, "A red circle moves up."), video(RED, defect=Defect.STILL)).right


def test_nothing_told_is_nothing_right() -> None:
    assert not find_clip(clip(14.0, 18.0, ""), WHOLE).right


def test_two_shots_in_one_clip_are_wrong_by_words_and_by_picture() -> None:
    assert not find_clip(clip(4.9, 13.6, "There is a star. Let us go on. The moon spins."), WHOLE).right
    late = video(sentence("There is a star.", 7.9))  # to 9.9
    assert find_clip(clip(7.8, 10.1, "There is a star."), late).right, "0.1 of 2.3 s is of the next shot"
    assert not find_clip(clip(7.8, 10.4, "There is a star."), late).right, "0.4 of 2.6 s are"


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (1.85, 4.65, (0.0, 0.0)),  # the padding of 0.15 s, both sides
        (2.0, 4.5, (0.15, 0.15)),  # bare words lack it
        (1.5, 4.7, (0.35, 0.05)),  # too much of it
        (1.85, 7.15, (0.0, 0.0)),  # two sentences: the first one's start, the last one's end
        (1.85, 5.4, (0.0, 0.75)),  # one stray word of the second: it was cut for the first
    ],
)
def test_borders_are_compared_with_those_that_the_padding_asks_for(
    start_s: float, end_s: float, expected: tuple[float, float]
) -> None:
    assert border_errors_s(clip(start_s, end_s, ""), WHOLE, 0.15) == pytest.approx(expected)


def test_padding_ends_in_the_middle_of_a_short_pause_and_at_the_shot() -> None:
    close = video(sentence("One red star.", 2.0), sentence("Two blue moons.", 3.7))  # a pause from 3.5 to 3.7
    assert border_errors_s(clip(1.85, 3.6, ""), close, 0.15) == pytest.approx((0.0, 0.0))
    assert border_errors_s(clip(3.6, 5.35, ""), close, 0.15) == pytest.approx((0.0, 0.0))
    tight = video(sentence("Here are five moons.", 7.95), sentence("One star.", 10.0), sentence("Two.", 19.45))
    assert border_errors_s(clip(7.8, 9.975, ""), tight, 0.15) == pytest.approx((0.0, 0.0))
    assert border_errors_s(clip(10.0, 11.15, ""), tight, 0.15) == pytest.approx((0.0, 0.0)), "the shot begins there"
    assert border_errors_s(clip(19.3, 20.0, ""), tight, 0.15) == pytest.approx((0.0, 0.0)), "the video ends there"


def test_a_clip_that_was_cut_for_no_sentence_has_no_borders_to_compare() -> None:
    assert border_errors_s(clip(14.0, 18.0, ""), WHOLE, 0.15) is None
    assert border_errors_s(clip(2.0, 3.0, ""), WHOLE, 0.15) is None, "two words of five"
