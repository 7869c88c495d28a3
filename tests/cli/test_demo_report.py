"""What the demo says of a dataset whose truth is known, counted by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from rich.console import Console

from tests.toyworld.evaluation.truths import clip, corpus, sentence, video
from vta_stream.cli.demo_page import demo_page
from vta_stream.cli.demo_report import Outcome, beside_table, figures_of, show_figures
from vta_stream.domain.clip import Span
from vta_stream.domain.verdict import Verdict
from vta_stream.report.dataset import ShownClip, ShownDataset, ShownVideo
from vta_stream.report.page import Remark
from vta_stream.settings import Settings
from vta_stream.toyworld.evaluation.clip_truth import ClipRow
from vta_stream.toyworld.evaluation.decisions import VideoRow, judge_decisions
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.truth import Kind

RED = sentence("A red circle moves up.", 2.0)  # to 4.5
ASIDE = sentence("Let us go on.", 5.0, Kind.FILLER)  # to 7.0
NEXT = sentence("The moon spins.", 12.0)  # to 13.5
TRUTH = corpus(
    video(RED, ASIDE, NEXT, name="good.mp4"),
    video(RED, name="still.mp4", defect=Defect.STILL),
    video(dataclasses.replace(RED, right=False), name="other.mp4", defect=Defect.OTHER_SCENE),
    video(RED, name="text.mp4", defect=Defect.BURNT_TEXT),
    video(name="gone.mp4", defect=Defect.REMOVED),
)
RIGHT = clip(1.85, 7.15, "A red circle moves up. Let us go on.", video="good.mp4")
LOST = clip(11.85, 13.65, "The moon spins.", "clip_match", video="good.mp4")
STILL = clip(1.85, 4.65, "A red circle moves up.", "motion", video="still.mp4")
WRONG = clip(1.85, 4.65, "A red circle moves up.", video="other.mp4")
TEXT = clip(1.85, 4.65, "A red circle moves up.", video="text.mp4")


def shown(row: ClipRow) -> ShownClip:
    refusals = (Verdict(name, False, f"{name} is 0.1, below the minimum of 0.2", 0.1, 0.2) for name in row.refused_by)
    return ShownClip(row.clip_id, row.video, Span(row.start_s, row.end_s), row.text, row.accepted, tuple(refusals))


@pytest.fixture
def outcome() -> Outcome:
    rows = [RIGHT, LOST, STILL, WRONG, TEXT]
    videos = [ShownVideo(one.name, "done") for one in TRUTH.videos[:-1]]
    videos.append(ShownVideo("gone.mp4", "failed", "removed"))
    judged = [VideoRow(one.video_id, one.status, one.reason) for one in videos]
    return Outcome(
        TRUTH,
        {one.name: one.name for one in TRUTH.videos},
        ShownDataset(tuple(videos), tuple(map(shown, rows))),
        judge_decisions(TRUTH, judged, rows, 0.15),
        ({"layout": "video-text", "split": "train", "state": "open", "shards": 1, "samples": 3, "bytes": 1000},),
    )


def test_figures_for_a_program(outcome: Outcome) -> None:
    figures = figures_of(outcome, Settings())
    assert figures["precision"] == 0.5, "what is not yet covered does not count"
    assert figures["recall"] == 0.5
    assert figures["border_error_s"]["median"] == pytest.approx(0.0)
    assert figures["detection"]["still"] == {"planted": 1, "kept_out": 1, "as_expected": 1, "share": 1.0}
    assert figures["detection"]["other_scene"]["share"] == 0.0
    assert figures["not_yet_covered"]["burnt_text"] == {"planted": 1, "kept_out": 0}
    assert figures["videos"] == {"published": 5, "done": 4, "failed": {"gone.mp4": "removed"}}
    assert figures["clips"] == {
        "made": 5,
        "accepted": 3,
        "rejected": 2,
        "rejected_by_filter": {"clip_match": 1, "motion": 1},
    }
    assert figures["by_defect"]["none"] == {"videos": 1, "failed": 0, "clips": 2, "accepted": 1}
    assert figures["by_defect"]["removed"] == {"videos": 1, "failed": 1, "clips": 0, "accepted": 0}
    assert figures["unfinished"] == 0


def test_the_page_says_of_each_decision_whether_it_was_right(outcome: Outcome) -> None:
    page = demo_page(outcome, Path("data"))
    assert page.remarks == {
        RIGHT.clip_id: Remark(
            "rightly accepted; nothing is wrong with this video",
            "plain",
            (("good", RED.text, ""), ("quiet", ASIDE.text, "says nothing of the picture")),
        ),
        LOST.clip_id: Remark(
            "should have been accepted; nothing is wrong with this video", "bad", (("good", NEXT.text, ""),)
        ),
        STILL.clip_id: Remark("rightly rejected; planted: still", "plain", (("bad", RED.text, "true, but still"),)),
        WRONG.clip_id: Remark(
            "should have been rejected; planted: other scene", "bad", (("bad", RED.text, "not true of this picture"),)
        ),
        TEXT.clip_id: Remark(
            "accepted, since no filter looks for this yet; planted: burnt text",
            "quiet",
            (("bad", RED.text, "true, but burnt text"),),
        ),
    }
    assert [(one.value, one.label, one.tone) for one in page.figures][:2] == [
        ("50.0%", "precision", "bad"),
        ("50.0%", "recall", "bad"),
    ]
    rows = {cells[0]: (tone, cells[1:5]) for tone, cells in page.tables[0].rows}
    assert rows == {
        "still": ("plain", ("1", "1", "100%", "1")),
        "other scene": ("bad", ("1", "0", "0%", "0")),
        "removed": ("plain", ("1", "1", "100%", "1")),
        "burnt text": ("quiet", ("1", "0", "–", "–")),
    }
    assert page.tables[1].rows == (("plain", ("clip match", "1")),)


def test_the_terminal_tells_the_same(outcome: Outcome) -> None:
    console = Console(record=True, width=120)
    figures = {**figures_of(outcome, Settings()), "queried_while_writing": {}, "page": "demo.html", "took_s": 61.4}
    show_figures(figures, outcome, Path("settings.yaml"), "SELECT 1", console)
    told = console.export_text()
    assert "precision  50.0%  1 of 2 accepted clips are right" in told
    assert "recall     50.0%  1 of 2 good sentences are in an accepted clip" in told
    assert "lost by    clip match 1" in told
    assert "not yet covered by a filter, and in no figure: burnt text, near duplicate, out of step" in told
    assert "videos failed (removed)" in told
    assert "clips rejected by motion" in told


def test_two_demos_beside_each_other(outcome: Outcome) -> None:
    figures = {**figures_of(outcome, Settings()), "corpus": {"realm": "held_out", "seed": 3}}
    other = {**figures, "precision": 1.0, "recall": None, "detection": {}, "corpus": {"realm": "demo", "seed": 0}}
    console = Console(record=True, width=120)
    console.print(beside_table(figures, other))
    rows = [line.split() for line in console.export_text().splitlines()]
    assert ["held", "out,", "seed", "3", "demo,", "seed", "0"] in rows
    assert ["precision", "50.0%", "100.0%"] in rows
    assert ["recall", "50.0%", "–"] in rows
    assert ["kept", "out:", "still", "100.0%", "–"] in rows
