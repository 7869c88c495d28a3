"""What is planned is what the truth says, and what perfect ears would make of it."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from vta_stream.domain.clip import Segment, Span
from vta_stream.domain.transcript import Cue, Word
from vta_stream.settings.work import SegmentSettings
from vta_stream.stages.segmentation import choose_segments
from vta_stream.toyworld.evaluation.clip_truth import ClipRow, find_clip
from vta_stream.toyworld.world.claims import holds, holds_at, never_holds
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.grammar import parse
from vta_stream.toyworld.world.near_duplicate import changed, cropped, draw_changes, mirrored
from vta_stream.toyworld.world.plan import Plan, truth_of
from vta_stream.toyworld.world.planning import Order, draw_plan, orders
from vta_stream.toyworld.world.realm import Realm, realm_of, rng_of
from vta_stream.toyworld.world.truth import Kind, Transition, VideoTruth
from vta_stream.toyworld.world.vocabulary import FILLERS, FOREIGN

pytestmark = pytest.mark.usefixtures("espeak")


@cache
def plan_of(defect: Defect, number: int = 0, variant: int = 0, longest_s: float = 30.0) -> Plan:
    return draw_plan(Order(Realm.HELD_OUT, 77, number, defect, variant, longest_s))


def truth(defect: Defect, number: int = 0, variant: int = 0) -> VideoTruth:
    return truth_of(plan_of(defect, number, variant))


def segments(video: VideoTruth, *, only_cuts: bool = False) -> tuple[Segment, ...]:
    """What the pipeline chooses with perfect ears; `only_cuts`: it does not see dissolves and fades."""
    cues = [
        Cue(one.text, one.start_s, one.end_s, tuple(Word(word.text, word.start_s, word.end_s) for word in one.words))
        for one in video.sentences
    ]
    if only_cuts:
        borders = [shot.start_s for shot in video.shots if shot.transition in (Transition.START, Transition.CUT)]
        shots = [Span(*pair) for pair in itertools.pairwise([*borders, video.duration_s])]
    else:
        shots = [Span(shot.start_s, shot.end_s) for shot in video.shots]
    return choose_segments(cues, shots, SegmentSettings())


@pytest.mark.parametrize("only_cuts", [False, True])
@pytest.mark.parametrize("number", range(4))
def test_perfect_ears_make_a_right_clip_of_each_run(number: int, only_cuts: bool) -> None:
    video = truth(Defect.NONE, number)
    chosen = segments(video, only_cuts=only_cuts)
    told = Counter(one for segment in chosen for one in video.told_in(segment.span.start_s, segment.span.end_s))
    assert video.good == tuple(one for one in video.sentences if one.kind is Kind.STATEMENT)
    assert all(told[one] == 1 for one in video.good)
    for segment in chosen:
        row = ClipRow("a", video.name, segment.span.start_s, segment.span.end_s, segment.text, accepted=True)
        is_filler = {one.kind for one in video.told_in(row.start_s, row.end_s)} == {Kind.FILLER}
        assert find_clip(row, video).right is not is_filler


@pytest.mark.parametrize("number", range(4))
def test_shots_follow_each_other_on_whole_frames(number: int) -> None:
    plan = plan_of(Defect.NONE, number)
    assert 30 <= plan.duration_s <= 36
    for shot in plan.shots:
        for time_s in (shot.start_s, shot.end_s, shot.scene_start_s):
            assert time_s * plan.fps == pytest.approx(round(time_s * plan.fps), abs=1e-3)
        assert 5 <= round(shot.end_s - shot.start_s, 1) <= 15
        assert realm_of(shot.scene.key()) is Realm.HELD_OUT
    assert plan.shots[0].start_s == 0
    for before, after in itertools.pairwise(plan.shots):
        gap_s = after.start_s - before.end_s
        assert after.scene_start_s == before.end_s
        assert (gap_s == 0) is (after.transition is Transition.CUT)
        assert gap_s < 0.9
        assert before.scene.duration_s == pytest.approx(after.start_s - before.scene_start_s, abs=1e-3)


def test_a_good_video_tells_of_its_shots_in_sentences_of_its_realm() -> None:
    kinds = Counter[Kind]()
    for number in range(4):
        video = truth(Defect.NONE, number)
        for one in video.sentences:
            kinds[one.kind] += 1
            if one.kind is Kind.FILLER:
                assert one.text in FILLERS
                continue
            statement = parse(one.text)
            assert statement is not None
            assert one.shot is not None
            assert holds(statement, video.shots[one.shot].scene)
            assert realm_of(f"sentence: {one.text}") is Realm.HELD_OUT
            assert " ".join(word.text for word in one.words) == one.text
    assert kinds[Kind.STATEMENT] >= 20
    assert kinds[Kind.FILLER] >= 1


def test_narration_of_another_scene_is_never_true() -> None:
    video = truth(Defect.OTHER_SCENE)
    told = [one for one in video.sentences if one.kind is Kind.STATEMENT]
    assert len(told) >= 4
    for one in told:
        statement = parse(one.text)
        assert statement is not None
        assert one.shot is not None
        assert never_holds(statement, video.shots[one.shot].scene)
        assert not one.right


@pytest.mark.parametrize("variant", range(3))
def test_shifted_narration_comes_wholly_over_one_shot_and_is_mostly_wrong(variant: int) -> None:
    video = truth(Defect.SHIFTED, 5 + variant, variant)
    assert 2 <= abs(video.shift_s) <= 6
    assert sum(not one.right for one in video.sentences) >= max(2, len(video.shots) // 2)
    for one in video.sentences:
        assert one.shot is not None
        shot, statement = video.shots[one.shot], parse(one.text)
        assert statement is not None
        for time_s in (one.start_s, one.end_s):
            assert holds_at(statement, shot.scene, time_s - shot.scene_start_s) is one.right


def test_out_of_step_is_less_than_shifted_and_leaves_most_sentences_over_their_shot() -> None:
    plan = plan_of(Defect.OUT_OF_STEP)
    assert 0.5 <= abs(plan.shift_s) <= 1.0
    assert plan.sound_shift_s == plan.shift_s
    sentences = truth_of(plan).sentences
    assert sum(one.right for one in sentences) >= len(sentences) // 2
    assert truth_of(plan).good == ()


def test_nothing_moves_in_a_still_video() -> None:
    for shot in truth(Defect.STILL).shots:
        assert {group.motion for group in shot.scene.groups} == {"still"}
        assert (shot.scene.camera.pan_x_px, shot.scene.camera.pan_y_px, shot.scene.camera.zoom) == (0, 0, 1)
        assert shot.transition in (Transition.START, Transition.CUT)


def test_without_speech_there_is_no_voice_and_no_track() -> None:
    video = truth(Defect.NO_SPEECH)
    assert (video.sentences, video.voice, video.subtitles) == ((), None, None)


def test_another_language_has_nothing_right() -> None:
    video = truth(Defect.FOREIGN)
    (language,) = (name for name, texts in FOREIGN.items() if video.sentences[0].text in texts)
    assert all(one.kind is Kind.FOREIGN and one.text in FOREIGN[language] for one in video.sentences)
    assert len(video.sentences) >= 6
    assert not any(one.right for one in video.sentences)
    assert video.subtitles is None, "the track is named as English"


@pytest.mark.parametrize("variant", [0, 1])
def test_what_is_too_short_makes_no_clip(variant: int) -> None:
    video = truth(Defect.TOO_SHORT, 0, variant)
    assert max(shot.end_s - shot.start_s for shot in video.shots) < 2
    assert video.sentences
    assert segments(video) == ()


def test_a_copy_is_true_as_it_is_seen() -> None:
    original = plan_of(Defect.NONE, 2)
    changes = draw_changes(rng_of(Realm.HELD_OUT, 5, "copy"), original)
    for one in (replace(changes, mirrored=True, first=20), replace(changes, crop=1.05, end=original.frame_count - 30)):
        copy = truth_of(changed(original, one))
        assert 0 < len(copy.sentences) <= len(original.lines)
        for sentence in copy.sentences:
            statement = parse(sentence.text)
            if statement is not None and sentence.shot is not None:
                assert sentence.right is holds(statement, copy.shots[sentence.shot].scene)
        assert copy.duration_s == pytest.approx((one.end - one.first) / original.fps, abs=1e-3)
    assert len(changes.in_words(original.frame_count)) >= 3


def test_a_mirror_turns_left_to_right_and_a_crop_brings_all_nearer() -> None:
    turned = closer = 0
    for scene in [shot.scene for number in range(4) for shot in plan_of(Defect.NONE, number).shots]:
        assert mirrored(mirrored(scene)) == pytest.approx(scene) or mirrored(mirrored(scene)).key() == scene.key()
        for place, other in (("on the left", "on the right"), ("in the top left corner", "in the top right corner")):
            for group in scene.groups:
                said = parse(f"A {group.colour} {group.shape} is {place}.") if group.count == 1 else None
                if said is not None and holds(said, scene):
                    assert holds(replace(said, predicate=other), mirrored(scene))
                    turned += 1
        bigger = cropped(scene, 1.05)
        assert all(a.radius_px > b.radius_px for a, b in zip(bigger.groups, scene.groups, strict=True))
        closer += 1
    assert turned
    assert closer


def test_another_seed_is_another_plan_and_what_is_not_served_has_none() -> None:
    order = Order(Realm.DEMO, 3, 4, Defect.NONE, 0, 30.0)
    assert draw_plan(order).shots == draw_plan(order).shots
    assert draw_plan(order).shots != draw_plan(replace(order, seed=4)).shots
    with pytest.raises(ValueError, match="not served"):
        draw_plan(replace(order, defect=Defect.REMOVED))


def test_a_deck_has_every_class_and_a_larger_corpus_begins_with_the_smaller() -> None:
    large = orders(Realm.DEMO, 1, 100)
    for deck in (large[:32], large[32:64], large[64:96]):
        counts = Counter(order.defect for order in deck)
        assert set(counts) == set(Defect)
        assert counts[Defect.NONE] == 12
    assert orders(Realm.DEMO, 1, 10) == large[:10]
    assert [order.number for order in large] == list(range(100))
    assert large[0].defect is Defect.NONE
    for defect in Defect:
        assert [one.variant for one in large if one.defect is defect] == list(
            range(sum(one.defect is defect for one in large))
        )
    for order in large:
        if order.original is not None:
            assert order.original < order.number
            assert large[order.original].defect is Defect.NONE
        assert (order.original is not None) is (order.defect is Defect.NEAR_DUPLICATE)
    assert [order.defect for order in large] != [order.defect for order in orders(Realm.DEMO, 2, 100)]
