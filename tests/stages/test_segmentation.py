"""Sentences x shots -> segments."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stages.test_sentences import said
from vta_stream.domain.clip import Segment, Span
from vta_stream.domain.ids import clip_id
from vta_stream.domain.transcript import Cue, Word
from vta_stream.domain.video import Subtitle
from vta_stream.media.subtitles import read_subtitle
from vta_stream.settings.work import SegmentSettings
from vta_stream.stages.segmentation import choose_segments
from vta_stream.stages.sentences import join_words

PLAIN = SegmentSettings(min_clip_s=1.0, max_clip_s=6.0, padding_s=0.0)


def shots(*borders: float) -> list[Span]:
    return [Span(start_s, end_s) for start_s, end_s in pairwise(borders)]


def found(cues: list[Cue], borders: list[Span], rules: SegmentSettings = PLAIN) -> list[tuple[float, float, str]]:
    return [(s.span.start_s, s.span.end_s, s.text) for s in choose_segments(cues, borders, rules)]


def test_sentences_are_joined_up_to_the_limit_and_not_over_a_long_pause() -> None:
    cues = [said("one two three four.", 0.0), said("five six seven eight.", 2.0), said("nine ten eleven twelve.", 6.0)]
    assert found(cues, shots(0, 20)) == [
        (0.0, 3.35, "one two three four. five six seven eight."),
        (6.0, 7.35, "nine ten eleven twelve."),
    ]
    apart = PLAIN.model_copy(update={"join_pause_s": 0.5})
    assert [text for _, _, text in found(cues, shots(0, 20), apart)] == [
        "one two three four.", "five six seven eight.", "nine ten eleven twelve.",
    ]  # fmt: skip


def test_joining_loses_as_little_speech_as_possible() -> None:
    """Greedy joining would fill the first segment and drop the last sentence as too short."""
    cues = [said(" ".join(["word"] * 7) + ".", 0.0), said(" ".join(["word"] * 7) + ".", 2.6), said("Short one.", 5.2)]
    segments = found(cues, shots(0, 20), PLAIN.model_copy(update={"max_clip_s": 5.1}))
    assert [text.count(".") for _, _, text in segments] == [1, 2]


def test_a_sentence_that_straddles_a_cut_is_split_at_the_cut() -> None:
    cues = [said("one two three four five six seven eight nine ten eleven twelve.", 0.0, 0.3, 0.1)]
    assert found(cues, shots(0, 2.0, 20)) == [
        (0.0, 1.9, "one two three four five"),
        (2.0, 4.7, "six seven eight nine ten eleven twelve."),
    ]


def test_a_scrap_behind_a_cut_is_left_out_and_the_next_clip_begins_after_it() -> None:
    cues = [
        said("one two three four five six seven eight.", 0.0, 0.3, 0.1),
        said("Now it is green again.", 3.2, 0.3, 0.1),
    ]
    rules = PLAIN.model_copy(update={"padding_s": 0.5})
    segments = found(cues, shots(0, 2.4, 20), rules)
    assert [text for _, _, text in segments] == ["one two three four five six", "Now it is green again."]
    assert segments[1][0] == pytest.approx(3.15)  # half of the pause after "eight.", which ends at 3.1


def test_the_word_that_a_cut_goes_through_is_in_no_clip() -> None:
    cues = [said("one two three four five six seven eight.", 0.0, 0.6, 0.0)]
    assert found(cues, shots(0, 2.1, 20)) == [(0.0, 1.8, "one two three"), (2.4, 4.8, "five six seven eight.")]
    # but word times are not so exact that 0.1 s across the cut would matter
    assert [text for _, _, text in found(cues, shots(0, 1.9, 20))] == ["one two three", "four five six seven eight."]


def test_long_sentences_are_split_at_pauses_else_commas_else_near_the_middle() -> None:
    words = [f"w{n}" for n in range(20)]
    pause = [said(" ".join(words[:13]), 0.0), said(" ".join(words[13:]), 4.95)]
    assert [text.split()[-1] for _, _, text in found(pause, shots(0, 20))] == ["w12", "w19"]
    comma = [said(" ".join(words[:8]) + ", " + " ".join(words[8:]), 0.0)]
    assert [text.split()[-1] for _, _, text in found(comma, shots(0, 20))] == ["w7,", "w19"]
    bare = [said(" ".join(words), 0.0)]
    assert [text.split()[-1] for _, _, text in found(bare, shots(0, 20))] == ["w9", "w19"]


def test_padding_stays_in_the_shot_and_out_of_the_neighbours_words() -> None:
    cues = [said("one two three four.", 0.1), said("five six seven eight.", 3.0), said("nine ten eleven.", 4.5)]
    rules = PLAIN.model_copy(update={"padding_s": 0.4, "max_clip_s": 2.0, "join_pause_s": 0.0})
    spans = [(start_s, end_s) for start_s, end_s, _ in found(cues, shots(0, 20), rules)]
    assert spans == [(0.0, 1.775), (2.675, 4.425), (4.425, 5.9)]


def test_a_sentence_too_short_for_a_clip_may_grow_by_its_padding_only() -> None:
    cues = [said("Look there now.", 5.0)]  # one second long
    rules = PLAIN.model_copy(update={"min_clip_s": 1.2, "padding_s": 0.1})
    assert found(cues, shots(0, 20), rules) == [(4.9, 6.1, "Look there now.")]
    assert found(cues, shots(0, 20), rules.model_copy(update={"min_clip_s": 1.3})) == []


def test_without_words_the_shots_are_taken_or_not() -> None:
    borders = shots(0, 0.5, 4.0, 17.0)
    assert found([], borders) == [
        (0.5, 4.0, ""), (4.0, 8.333, ""), (8.334, 12.666, ""), (12.667, 17.0, ""),
    ]  # fmt: skip
    assert found([], borders, PLAIN.model_copy(update={"without_speech": "skip"})) == []
    # A video in which somebody speaks has no silent clips.
    assert len(found([said("one two three four.", 0.6)], borders)) == 1


def test_max_clips_takes_the_first() -> None:
    cues = [said("one two three four.", 10.0 * number) for number in range(5)]
    rules = PLAIN.model_copy(update={"max_clips": 2})
    assert [start_s for start_s, _, _ in found(cues, shots(0, 60), rules)] == [0.0, 10.0]
    assert len(found([], shots(0, 5, 10, 15), rules)) == 2


def test_words_outside_all_shots_are_left_out() -> None:
    assert [
        text
        for _, _, text in found([said("one two three four.", 0.0), said("five six seven eight.", 4.0)], shots(3.5, 9))
    ] == ["five six seven eight."]
    assert found([said("one two three four.", 0.0)], []) == []


def test_real_captions(shared_media: Path) -> None:
    file = shared_media / "subtitles/nasa_13013.en.srt"
    cues = read_subtitle(None, Subtitle("en", "manual", "srt", path="x"), file, 13.056)
    first, last = choose_segments(cues, [Span(0.0, 6.0), Span(6.0, 13.056)], SegmentSettings())
    assert first.text.startswith("This is the optical and science segment of the Webb space telescope")
    assert last.text.endswith(
        "cleanrooms in the world at NASA’s Goddard Space Flight Center in Greenbelt, Maryland. This"
    )
    assert (first.span.start_s, last.span.end_s) == (0.06, 13.056)


@st.composite
def transcripts(draw: st.DrawFn) -> list[Cue]:
    cues, at_s = [], 0.0
    number = 0
    for _ in range(draw(st.integers(0, 12))):
        at_s = max(0.0, at_s + draw(st.floats(-1.0, 4.0)))
        count = draw(st.integers(0, 12))
        texts = [f"w{number + index}{draw(st.sampled_from(['', '', '', '.', ',', '?']))}" for index in range(count)]
        number += count
        end_s = at_s + draw(st.floats(0.0, 12.0))
        if draw(st.booleans()):
            words, word_s = [], at_s
            for text in texts:
                word_s += draw(st.floats(0.0, 1.0))
                words.append(Word(text, word_s, word_s + draw(st.floats(0.0, 1.5))))
            cues.append(Cue(" ".join(texts), at_s, max(end_s, word_s), tuple(words)))
        else:
            cues.append(Cue(" ".join(texts), at_s, end_s))
        at_s = end_s if draw(st.integers(0, 4)) else at_s
    return cues


@st.composite
def shot_lists(draw: st.DrawFn) -> list[Span]:
    borders = sorted(draw(st.sets(st.floats(0.0, 120.0), max_size=15)))
    spans = [Span(start_s, end_s) for start_s, end_s in pairwise(borders)]
    return [span for span in spans if draw(st.integers(0, 5))]  # some gaps


@st.composite
def rules(draw: st.DrawFn) -> SegmentSettings:
    shortest_s = draw(st.floats(0.2, 4.0))
    return SegmentSettings(
        min_clip_s=shortest_s,
        max_clip_s=shortest_s + draw(st.floats(0.1, 20.0)),
        padding_s=draw(st.sampled_from([0.0, 0.15, 1.0])),
        join_pause_s=draw(st.floats(0.0, 3.0)),
        max_clips=draw(st.sampled_from([3, 2000])),
    )


@settings(max_examples=200, deadline=None)
@given(transcripts(), shot_lists(), rules())
def test_laws(cues: list[Cue], borders: list[Span], law: SegmentSettings) -> None:
    segments = choose_segments(cues, borders, law)
    assert segments == choose_segments(cues, borders, law)
    assert len(segments) <= law.max_clips
    for segment in segments:
        _check(segment, borders, law)
    for before, after in pairwise(segments):
        assert before.span.end_s <= after.span.start_s
    assert len({clip_id("v", s.span.start_s, s.span.end_s, "p") for s in segments}) == len(segments)
    words = Counter(word.text for segment in segments for word in segment.words)
    assert all(count == 1 for count in words.values()), "a word is in two segments"
    assert set(words) <= {text for cue in cues for text in cue.text.split()}


def _check(segment: Segment, borders: list[Span], law: SegmentSettings) -> None:
    span = segment.span
    assert any(s.start_s - 1e-6 <= span.start_s and span.end_s <= s.end_s + 1e-6 for s in borders)
    assert law.min_clip_s - 1e-6 <= span.duration_s <= law.max_clip_s + 1e-6
    assert segment.text == join_words(segment.words)
    assert all(span.start_s <= word.start_s <= word.end_s <= span.end_s for word in segment.words)
    assert round(span.start_s, 3) == span.start_s
    assert round(span.end_s, 3) == span.end_s
