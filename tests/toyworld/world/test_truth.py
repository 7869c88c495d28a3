import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.house import PACKAGE, ROOT
from vta_stream.plugins import plugin_names
from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.defect import COVER, NOT_YET_COVERED, Defect
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.truth import (
    TRUTH_FILE,
    CorpusTruth,
    Kind,
    SentenceTruth,
    ShotTruth,
    Transition,
    VideoTruth,
    WordTruth,
    read_truth,
    write_truth,
)

SCENE = compose_scene(random.Random(1), Realm.DEMO, 6.0)


def said(
    text: str, start_s: float, shot: int | None = 0, *, right: bool = True, kind: str = "statement"
) -> SentenceTruth:
    words = tuple(WordTruth(word, start_s + n * 0.5, start_s + n * 0.5 + 0.5) for n, word in enumerate(text.split()))
    return SentenceTruth(text, Kind(kind), start_s, words[-1].end_s, words, shot, right)


FIRST = said("There is a star.", 0.5)
FILLER = said("Well, that was easy.", 3.0, right=False, kind="filler")
SECOND = said("A star spins.", 6.5, 1)
WRONG = said("There is a moon.", 9.0, 1, right=False)


def video_of(defect: Defect = Defect.NONE) -> VideoTruth:
    shots = tuple(ShotTruth(start_s, start_s + 6, Transition.CUT, start_s, SCENE) for start_s in (0.0, 6.0))
    return VideoTruth("a.mp4", defect, 12.0, "v", shots, (FIRST, FILLER, SECOND, WRONG))


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    damaged = replace(video_of(Defect.DAMAGED), damaged_s=(6.0, 12.0), changes=("cut off at 60 %",))
    truth = CorpusTruth(Realm.DEMO, 7, (video_of(), damaged))
    path = write_truth(truth, tmp_path)
    written = path.read_bytes()
    assert read_truth(tmp_path) == truth
    assert write_truth(read_truth(tmp_path), tmp_path).read_bytes() == written
    assert truth.video("a.mp4") == video_of()
    with pytest.raises(KeyError, match=r"b\.mp4"):
        truth.video("b.mp4")


def test_what_is_no_truth_is_named(tmp_path: Path) -> None:
    (tmp_path / TRUTH_FILE).write_text('{"realm": "mars", "seed": 1, "videos": []}')
    with pytest.raises(ValueError, match=r"truth\.json is not the truth .*toyworld build"):
        read_truth(tmp_path)


def test_a_perfect_curator_takes_what_is_right_where_nothing_else_is_wrong() -> None:
    takes = {defect: video_of(defect).good for defect in Defect}
    for defect in ("none", "other_scene", "shifted", "rate_limited", "cut_off"):
        assert takes.pop(Defect(defect)) == (FIRST, SECOND)
    assert takes.pop(Defect.DAMAGED) == (FIRST, SECOND), "without a damaged span nothing is damaged"
    assert replace(video_of(Defect.DAMAGED), damaged_s=(6.6, 12.0)).good == (FIRST,)
    assert not any(takes.values())


def test_a_word_belongs_to_the_span_that_has_its_middle() -> None:
    video = video_of()
    assert video.told_in(2.2, 3.2) == (FIRST,), "the last word of the first sentence, and no half of the filler's"
    assert video.told_in(2.3, 3.3) == (FILLER,)
    assert video.told_in(0.0, 12.0) == video.sentences


def test_every_defect_says_what_finds_it_and_its_filters_exist() -> None:
    outside = [path for path in (ROOT / PACKAGE).rglob("*.py") if "toyworld" not in path.parts]
    reasons = set().union(*(re.findall(r'"([a-z_]+)"', path.read_text()) for path in outside))
    assert set(COVER) == set(Defect) - {Defect.NONE}
    named = set().union(*(cover.found_by for cover in COVER.values()))
    assert named <= reasons | set(plugin_names("filters"))
    assert set(NOT_YET_COVERED) == {Defect.BURNT_TEXT, Defect.NEAR_DUPLICATE, Defect.OUT_OF_STEP}
    assert all(cover.why for cover in COVER.values())
