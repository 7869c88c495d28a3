"""What is in the file is what was planned: to the frame, and to the millisecond of every word."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.film import pictures, write_film, write_subtitles
from vta_stream.toyworld.world.picture import render
from vta_stream.toyworld.world.plan import Line, Plan, truth_of
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.sound import mix
from vta_stream.toyworld.world.speech import RATE_HZ, Spoken, SpokenWord, Voice
from vta_stream.toyworld.world.truth import Kind, ShotTruth, Transition

BLIP_S = 0.3


def blips(rng: random.Random, texts: str) -> Spoken:
    """Instead of speech: each word a burst of its own noise, so that it is found again wherever it is."""
    noise = np.random.default_rng(rng.getrandbits(32))
    step = round(BLIP_S * RATE_HZ)
    parts, words = [], []
    for number, word in enumerate(texts.split()):
        burst = noise.normal(0, 0.2, step) * np.hanning(step)
        parts += [np.convolve(burst, np.ones(6) / 6, "same"), np.zeros(step // 2)]
        words.append(SpokenWord(word, number * 1.5 * BLIP_S, (number * 1.5 + 1) * BLIP_S))
    return Spoken(np.concatenate(parts).astype(np.float32), tuple(words))


def plan_of(fps: int) -> Plan:
    """A cut at 1 s, a dissolve from 2 to 3 s, a fade from 4 to 5 s: whole frames at every rate."""
    rng = random.Random(fps)
    spans = [
        (0.0, 1.0, Transition.START, 0.0),
        (1.0, 2.0, Transition.CUT, 1.0),
        (3.0, 4.0, Transition.DISSOLVE, 2.0),
        (5.0, 6.0, Transition.FADE, 4.0),
    ]
    shots = tuple(
        ShotTruth(start_s, end_s, transition, begin_s, compose_scene(rng, Realm.DEMO, end_s - begin_s + 1.0))
        for start_s, end_s, transition, begin_s in spans
    )
    lines = tuple(
        Line("one two three", Kind.STATEMENT, blips(rng, "one two three"), start_s)
        for start_s in (0.05, 2.1234375, 4.5)
    )
    return Plan(Realm.DEMO, "a.mp4", f"seed {fps}", Defect.NONE, fps, shots, Voice("none"), lines)


@pytest.fixture(scope="module", params=[15, 24, 25])
def filmed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    plan = plan_of(request.param)
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    write_film(path, pictures(plan), mix(plan), plan.fps)
    return plan, path


def frames_of(path: Path) -> tuple[list[float], list[npt.NDArray[np.float32]]]:
    with av.open(str(path)) as container:
        times_s, pictures = [], []
        for frame in container.decode(video=0):
            times_s.append(float(frame.time))
            pictures.append(frame.to_ndarray(format="rgb24").astype(np.float32))
    return times_s, pictures


def sound_of(path: Path) -> tuple[float, npt.NDArray[np.float32]]:
    """Begin in seconds, and the samples."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert {frame.sample_rate for frame in frames} == {RATE_HZ}
    assert frames[0].time is not None
    return float(frames[0].time), np.concatenate([frame.to_ndarray()[0] for frame in frames])


def test_every_frame_is_shown_when_and_as_planned(filmed: tuple[Plan, Path]) -> None:
    plan, path = filmed
    times_s, shown = frames_of(path)
    assert len(shown) == plan.frame_count
    assert times_s == pytest.approx([number / plan.fps for number in range(plan.frame_count)], abs=1e-4)
    for number, planned in enumerate(pictures(plan)):
        here = np.abs(shown[number] - np.asarray(planned, dtype=np.float32)).mean()
        assert here < 6, f"frame {number} is not what was planned"


def test_a_cut_is_at_its_very_frame(filmed: tuple[Plan, Path]) -> None:
    plan, path = filmed
    _, shown = frames_of(path)
    shot = [[distance(plan, index, number, shown[number]) for number in range(2 * plan.fps)] for index in (0, 1)]
    assert [before < after for before, after in zip(*shot, strict=True)] == [
        number < plan.fps for number in range(2 * plan.fps)
    ]
    assert max(map(min, zip(*shot, strict=True))) < 6


def test_a_dissolve_goes_over_and_a_fade_through_black() -> None:
    plan = plan_of(15)
    shown = [np.asarray(picture, dtype=np.float32) for picture in pictures(plan)]
    parts = [distance(plan, 1, number, shown[number]) for number in range(29, 46)]
    assert parts == sorted(parts)
    assert parts[0] == 0.0 < parts[1], "the dissolve begins when the shot ends"
    assert distance(plan, 2, 44, shown[44]) > distance(plan, 2, 45, shown[45]) == 0.0
    light = [picture.mean() for picture in shown[59:76]]
    assert min(light) < 0.15 * light[0]
    assert 6 <= light.index(min(light)) <= 10
    assert distance(plan, 3, 75, shown[75]) == 0.0


def distance(plan: Plan, index: int, number: int, picture: npt.NDArray[np.float32]) -> float:
    """How far a frame is from what a shot shows then, in levels."""
    shot = plan.shots[index]
    scene = np.asarray(render(shot.scene, number / plan.fps - shot.scene_start_s), dtype=np.float32)
    return float(np.abs(picture - scene).mean())


def test_every_word_is_heard_when_the_truth_says(filmed: tuple[Plan, Path]) -> None:
    """Priming of AAC alone would be 64 ms at 16 kHz."""
    plan, path = filmed
    begin_s, heard = sound_of(path)
    truth = truth_of(plan)
    told = [word for sentence in truth.sentences for word in sentence.words]
    planned = [(line, word) for line in plan.lines for word in line.spoken.words]
    assert len(told) == 9
    for word, (line, spoken) in zip(told, planned, strict=True):
        wanted = line.spoken.samples[round(spoken.start_s * RATE_HZ) : round(spoken.end_s * RATE_HZ)]
        found_s = begin_s + int(np.correlate(heard, wanted, "valid").argmax()) / RATE_HZ
        assert found_s == pytest.approx(word.start_s, abs=0.002)
    assert begin_s + len(heard) / RATE_HZ == pytest.approx(plan.duration_s, abs=1024 / RATE_HZ)


def test_the_same_plan_is_the_same_file(filmed: tuple[Plan, Path], tmp_path: Path) -> None:
    plan, path = filmed
    write_film(tmp_path / "again.mp4", pictures(plan), mix(plan), plan.fps)
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()


def test_sound_that_is_out_of_step_is_longer_or_shorter_than_the_picture() -> None:
    plan = plan_of(15)
    for shift_s in (0.75, -0.5):
        assert len(mix(dataclasses.replace(plan, sound_shift_s=shift_s))) == round((6 + shift_s) * RATE_HZ)


def test_nobody_speaks_over_music_but_it_is_heard() -> None:
    music = mix(dataclasses.replace(plan_of(15), defect=Defect.NO_SPEECH, lines=()))
    quiet = mix(dataclasses.replace(plan_of(15), lines=()))
    assert np.abs(music).mean() > 20 * np.abs(quiet).mean() > 0


def test_something_is_done_to_each_picture_of_a_shot() -> None:
    seen: list[int] = []

    def look(picture: Image.Image, shot: int) -> Image.Image:
        seen.append(shot)
        return picture

    assert sum(1 for _ in pictures(plan_of(15), look)) == len(seen) == 90
    assert [seen.count(shot) for shot in range(4)] == [15, 15, 30, 30]


def test_subtitles_are_cues_at_the_sentences_times(tmp_path: Path) -> None:
    path = tmp_path / "a.en.vtt"
    write_subtitles(path, truth_of(plan_of(25)).sentences)
    cues = path.read_text().split("\n\n")
    assert cues[0] == "WEBVTT"
    assert cues[2].strip() == "00:00:02.123 --> 00:00:03.323\none two three"
