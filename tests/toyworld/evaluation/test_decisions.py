"""Precision, recall and detection, counted by hand."""

from __future__ import annotations

import dataclasses

import pytest

from tests.toyworld.evaluation.truths import clip, corpus, sentence, video
from vta_stream.toyworld.evaluation.clip_truth import ClipRow
from vta_stream.toyworld.evaluation.decisions import (
    IN_NO_CLIP,
    Decisions,
    Detection,
    VideoRow,
    judge_decisions,
    percentile,
)
from vta_stream.toyworld.world.defect import COVER, NOT_YET_COVERED, Defect
from vta_stream.toyworld.world.truth import Kind, SentenceTruth, VideoTruth

RED = sentence("A red circle moves up.", 2.0)  # to 4.5
BLUE = sentence("There is a star.", 5.0)  # to 7.0
NEXT = sentence("The moon spins.", 12.0)  # to 13.5
RED_CLIP = clip(1.85, 4.65, "A red circle moves up.")
BLUE_CLIP = clip(4.85, 7.15, "There is a star.")


def refused(row: ClipRow, *by: str) -> ClipRow:
    return dataclasses.replace(row, accepted=False, refused_by=by)


def done(*videos: VideoTruth) -> list[VideoRow]:
    return [VideoRow(one.name, "done") for one in videos]


def judge(one: VideoTruth, *clips: ClipRow, row: VideoRow | None = None) -> Decisions:
    return judge_decisions(corpus(one), [row] if row else done(one), clips, 0.15)


def detection(decisions: Decisions, defect: Defect) -> Detection:
    return next(one for one in decisions.detections if one.defect is defect)


def test_precision_counts_accepted_clips_and_recall_good_sentences() -> None:
    whole = video(RED, BLUE, sentence("Let us go on.", 8.0, Kind.FILLER), NEXT)
    wrong = clip(11.85, 13.65, "The spoon moon spins.")
    found = judge(whole, RED_CLIP, refused(BLUE_CLIP, "clip_match", "sharpness"), wrong)
    assert (found.accepted, found.right, found.precision) == (2, 1, 0.5)
    assert (found.good_sentences, found.told_sentences) == (3, 2), "the filler is none of them"
    assert found.lost == {"clip_match": 1, "sharpness": 1}
    assert found.borders_s == pytest.approx((0.0, 0.0, 0.0, 0.0))


def test_longer_clips_neither_gain_nor_lose_recall() -> None:
    found = judge(video(RED, BLUE), clip(1.85, 7.15, "A red circle moves up. There is a star."))
    assert (found.precision, found.recall) == (1.0, 1.0)


def test_what_no_clip_holds_whole_is_lost_and_said_so() -> None:
    found = judge(video(RED, BLUE, NEXT), RED_CLIP, clip(5.6, 7.15, "is a star."))
    assert found.recall == pytest.approx(1 / 3)
    assert found.lost == {IN_NO_CLIP: 2}


def test_without_anything_there_are_no_shares() -> None:
    found = judge(video(defect=Defect.NO_SPEECH))
    assert (found.precision, found.recall) == (None, None)
    assert found.as_json()["border_error_s"] == {"median": None, "p90": None, "count": 0}


@pytest.mark.parametrize("defect", [Defect.STILL, Defect.BLURRED, Defect.DARK])
def test_what_is_wrong_with_the_picture_is_planted_in_each_statement(defect: Defect) -> None:
    (by,) = COVER[defect].found_by
    bad = video(RED, BLUE, sentence("Let us go on.", 8.0, Kind.FILLER), NEXT, defect=defect)
    found = judge(bad, refused(RED_CLIP, by, "duration"), BLUE_CLIP, clip(11.85, 13.65, "The moon spins.", "duration"))
    assert detection(found, defect) == Detection(defect, planted=3, kept_out=2, expected=1)
    assert found.precision == 0.0
    assert found.recall is None, "nothing in it is good"


def test_one_word_of_what_is_wrong_is_enough_to_let_it_in() -> None:
    wrong: tuple[SentenceTruth, ...] = (dataclasses.replace(RED, right=False), dataclasses.replace(NEXT, right=False))
    moved = video(wrong[0], BLUE, wrong[1], defect=Defect.SHIFTED)
    found = judge(moved, clip(4.2, 7.15, "up. There is a star."))
    assert detection(found, Defect.SHIFTED) == Detection(Defect.SHIFTED, planted=2, kept_out=1, expected=0)
    assert (found.precision, found.recall) == (0.0, 1.0), "the sentence that is right all the same is told"


def test_foreign_sentences_and_silent_shots_are_occurrences() -> None:
    german = sentence("Guten Tag und willkommen.", 2.0, Kind.FOREIGN)
    found = judge(video(german, defect=Defect.FOREIGN), refused(clip(1.9, 4.1, "Good and will come."), "clip_match"))
    assert detection(found, Defect.FOREIGN) == Detection(Defect.FOREIGN, 1, 1, 1)
    silent = video(defect=Defect.NO_SPEECH)
    found = judge(silent, clip(0.0, 10.05, "", "words_per_second"), clip(10.05, 20.0, ""))
    assert detection(found, Defect.NO_SPEECH) == Detection(Defect.NO_SPEECH, planted=2, kept_out=1, expected=1)


def test_of_a_damaged_file_only_what_lies_in_the_damage_counts() -> None:
    damaged = video(RED, NEXT, defect=Defect.DAMAGED, damaged_s=(11.0, 20.0))
    found = judge(damaged, RED_CLIP)
    assert detection(found, Defect.DAMAGED).kept_out == 1
    assert (found.precision, found.recall) == (1.0, 1.0)
    found = judge(damaged, RED_CLIP, clip(11.85, 13.65, "The moon spins."))
    assert detection(found, Defect.DAMAGED).kept_out == 0
    assert found.precision == 0.5


def test_a_video_that_is_not_served_is_kept_out_for_its_reason() -> None:
    gone = video(name="gone.mp4", defect=Defect.REMOVED, duration_s=0.0, shots=())
    for reason, expected in (("removed", 1), ("connection_failed", 0)):
        found = judge(gone, row=VideoRow("gone.mp4", "failed", reason))
        assert detection(found, Defect.REMOVED) == Detection(Defect.REMOVED, 1, 1, expected)


def test_a_video_that_is_served_badly_has_to_come_in_the_end() -> None:
    late = video(RED, defect=Defect.RATE_LIMITED)
    assert detection(judge(late, RED_CLIP), Defect.RATE_LIMITED).share == 1.0
    found = judge(late, row=VideoRow("a.mp4", "failed", "rate_limited"))
    assert detection(found, Defect.RATE_LIMITED).share == 0.0
    assert found.recall == 0.0


def test_what_has_not_ended_is_not_found_and_is_lost() -> None:
    gone = video(name="gone.mp4", defect=Defect.REMOVED)
    found = judge_decisions(corpus(gone, video(RED)), [], [], 0.15)
    assert detection(found, Defect.REMOVED) == Detection(Defect.REMOVED, 1, 0, 0)
    assert found.recall == 0.0


@pytest.mark.parametrize("defect", NOT_YET_COVERED)
def test_what_no_filter_looks_for_yet_is_told_apart(defect: Defect) -> None:
    found = judge_decisions(
        corpus(video(RED), video(RED, name="b.mp4", defect=defect)),
        [VideoRow("a.mp4", "done"), VideoRow("b.mp4", "done")],
        [RED_CLIP, dataclasses.replace(RED_CLIP, video="b.mp4")],
        0.15,
    )
    assert (found.precision, found.accepted, found.uncovered_accepted) == (1.0, 1, 1)
    figures = found.as_json()
    assert figures["not_yet_covered"][defect.value] == {"planted": 1, "kept_out": 0}  # type: ignore[index]
    assert defect.value not in figures["detection"]  # type: ignore[operator]


def test_a_row_of_an_unknown_video_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"b\.mp4"):
        judge(video(RED), clip(0.0, 4.0, "", video="b.mp4"))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3.0), (0.9, 5.0), (0.2, 1.0), (0.21, 2.0), (1.0, 5.0)])
def test_percentiles_are_values_that_were_measured(share: float, expected: float) -> None:
    assert percentile([5.0, 3.0, 1.0, 4.0, 2.0], share) == expected
    assert percentile([], share) is None
