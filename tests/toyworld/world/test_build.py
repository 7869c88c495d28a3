"""Building a corpus: the same from its seed, resumable, and clear about what is in the way."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import av
import pytest

from vta_stream.toyworld.world.build import CorpusError, build_corpus
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.defects import cut_in_pause, overwrite_head
from vta_stream.toyworld.world.film import pictures, write_film
from vta_stream.toyworld.world.planning import Order, draw_plan, orders
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.sound import mix
from vta_stream.toyworld.world.truth import TRUTH_FILE, read_truth

SEED = 4
COUNT = 2


class Broken(Exception):
    pass


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, espeak: None) -> Path:
    """A corpus of two videos, broken off after the first, and then taken up again by two processes."""
    folder = tmp_path_factory.mktemp("build") / "corpus"

    def break_off(line: str) -> None:
        raise Broken(line)

    with pytest.raises(Broken, match="1 of 2"):
        build_corpus(folder, Realm.HELD_OUT, SEED, COUNT, break_off, longest_s=30)
    assert not (folder / TRUTH_FILE).exists()
    first = folder / orders(Realm.HELD_OUT, SEED, COUNT)[0].name
    written_ns = first.stat().st_mtime_ns
    said: list[str] = []
    build_corpus(folder, Realm.HELD_OUT, SEED, COUNT, said.append, longest_s=30, jobs=2)
    assert said[0] == "1 of 2 videos are there already"
    assert len(said) == COUNT
    assert first.stat().st_mtime_ns == written_ns
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_build_that_was_broken_off_ends_as_one_that_was_not(built: Path, tmp_path: Path) -> None:
    build_corpus(tmp_path / "whole", Realm.HELD_OUT, SEED, COUNT, lambda line: None, longest_s=30)
    assert digests(tmp_path / "whole") == digests(built)


def test_the_truth_is_of_what_is_there(built: Path) -> None:
    truth = read_truth(built)
    assert (truth.realm, truth.seed, truth.longest_s) == (Realm.HELD_OUT, SEED, 30)
    assert [video.name for video in truth.videos] == [one.name for one in orders(Realm.HELD_OUT, SEED, COUNT)]
    named = {TRUTH_FILE} | {video.name for video in truth.videos} | {video.subtitles for video in truth.videos}
    assert {path.name for path in built.iterdir()} == named - {None}
    with av.open(str(built / truth.videos[0].name)) as container:
        video = container.streams.video[0]
        assert video.average_rate is not None
        assert video.frames / float(video.average_rate) == pytest.approx(truth.videos[0].duration_s, abs=1e-3)


def test_what_is_there_is_not_built_again(built: Path) -> None:
    before = digests(built)
    said: list[str] = []
    build_corpus(built, Realm.HELD_OUT, SEED, COUNT, said.append, longest_s=30)
    assert said == [f"{built} holds these 2 videos already"]
    assert digests(built) == before


def test_a_folder_that_holds_something_else_is_left_alone(built: Path, tmp_path: Path) -> None:
    def build(folder: Path, seed: int = SEED) -> None:
        build_corpus(folder, Realm.HELD_OUT, seed, COUNT, lambda line: None, longest_s=30)

    with pytest.raises(CorpusError, match="holds another corpus; choose another folder"):
        build(built, seed=SEED + 1)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CorpusError, match="not empty, and no corpus was begun"):
        build(tmp_path)
    (tmp_path / "begun" / ".building").mkdir(parents=True)
    (tmp_path / "begun" / ".building" / "corpus.json").write_text("[]")
    with pytest.raises(CorpusError, match="beginning of another corpus"):
        build(tmp_path / "begun")
    lost = tmp_path / "lost"
    lost.mkdir()
    (lost / TRUTH_FILE).write_bytes((built / TRUTH_FILE).read_bytes())
    with pytest.raises(CorpusError, match=r"lacks held_out-4-0000\.mp4"):
        build(lost)


def test_without_espeak_it_says_how_to_install_it(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    (nothing / "libespeak-ng.so.1").write_text("this is no library")
    line = [sys.executable, "-m", "vta_stream", "toyworld", "build", str(tmp_path / "corpus"), "--videos", "1"]
    done = subprocess.run(line, env={**os.environ, "LD_LIBRARY_PATH": str(nothing)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "apt-get install libespeak-ng1 espeak-ng-data" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "corpus").glob("*.mp4"))


def test_a_file_breaks_off_between_two_sentences(tmp_path: Path, espeak: None) -> None:
    plan = draw_plan(Order(Realm.HELD_OUT, SEED, 9, Defect.DAMAGED, 1, 30.0))
    path = tmp_path / "a.mp4"
    write_film(path, pictures(plan), mix(plan), plan.fps)
    size_bytes, lost_from_s = cut_in_pause(path, plan)
    assert 0.4 * plan.duration_s <= lost_from_s <= 0.8 * plan.duration_s
    assert all(line.ends_s < lost_from_s - 0.1 or line.begins_s > lost_from_s + 0.1 for line in plan.lines)
    with path.open("r+b") as file:
        file.truncate(size_bytes)
    with av.open(str(path)) as container:
        shown = [float(frame.time) for frame in container.decode(video=0) if not frame.is_corrupt]
    with av.open(str(path)) as container:
        heard = [float(frame.time) for frame in container.decode(audio=0)]
    assert min(shown[-1], heard[-1]) == pytest.approx(lost_from_s, abs=0.15)


def test_a_head_of_noise_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(10_000))
    assert overwrite_head(path, random.Random(1)) == "its first 4096 bytes are noise"
    assert path.stat().st_size == 10_000
    assert len(set(path.read_bytes()[:4096])) > 200
    assert path.read_bytes()[4096:] == bytes(10_000 - 4096)
