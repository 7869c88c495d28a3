"""The course at a small scale: what a batch holds, and that it can be killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from faster_whisper.feature_extractor import FeatureExtractor

from vta_stream.toyworld.training.hearing import recordings, windows
from vta_stream.toyworld.training.hearing.course import find_pieces, train, weights
from vta_stream.toyworld.training.hearing.network import Hearing
from vta_stream.toyworld.training.hearing.pieces import IGNORED
from vta_stream.toyworld.training.hearing.windows import POSITION_S, Batch, Lesson, Windows
from vta_stream.toyworld.world.realm import Realm, realm_of
from vta_stream.toyworld.world.vocabulary import FILLERS, FOREIGN

pytestmark = pytest.mark.usefixtures("espeak")

LESSONS = (Lesson(3, 2, 1), Lesson(1, 2, 2), Lesson(2, 1, 6, full=True))
SMALL = """
from vta_stream.toyworld.training.hearing import course, recordings
recordings._VOICES_PER_FILE, course.SPELT_SENTENCES, course._TELL_EVERY = 2, 300, 1
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of four voices, and the pieces."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recordings, "_VOICES_PER_FILE", 2)
        patched.setattr("vta_stream.toyworld.training.hearing.course.SPELT_SENTENCES", 300)
        recordings.record(folder / "recordings", 4, 0, lambda _: None)
        find_pieces(folder, 0)
    return folder


def batches(work: Path, *lessons: Lesson, seed: int = 0) -> list[Batch]:
    windows = Windows(recordings.load(work / "recordings"), find_pieces(work, 0), lessons, seed)
    return [windows[index] for index in range(len(windows))]


def test_recordings_are_of_the_training_realm_and_kept(work: Path) -> None:
    speakers = recordings.load(work / "recordings")
    assert len(speakers) == 4
    for speaker in speakers:
        for said in speaker.english:
            assert said.text in FILLERS or realm_of(f"sentence: {said.text}") == Realm.TRAINING
            assert 0.5 < said.words[-1].end_s <= said.count / 16_000 + 0.001
            assert np.abs(speaker.wave(said)).max() > 0.1
        assert speaker.foreign
        words = {word for sentences in FOREIGN.values() for sentence in sentences for word in sentence.split()}
        assert all(set(said.text.split()) <= words for said in speaker.foreign)
    before = {path: path.stat().st_mtime_ns for path in (work / "recordings").iterdir()}
    recordings.record(work / "recordings", 4, 0, lambda _: None)
    assert before.keys() >= {work / "recordings/0000.json", work / "recordings/0000.s16"}


def test_a_batch_is_always_the_same_and_another_seed_makes_another(work: Path) -> None:
    one, again, other = (batches(work, Lesson(1, 4, 2), seed=seed)[0] for seed in (1, 1, 2))
    assert all(torch.equal(getattr(one, name), getattr(again, name)) for name in ("features", "read", "said", "spans"))
    assert one.features.shape != other.features.shape or not torch.equal(one.features, other.features)


def test_spans_lie_on_the_sound(work: Path) -> None:
    """What a word's positions show is louder than what the pauses show; the padding is 0.0."""
    pieces = find_pieces(work, 0)
    words, pauses = [], []
    for batch in batches(work, Lesson(12, 2, 2)):
        assert batch.spans.max() <= batch.features.shape[2] // 2
        level = batch.features.mean(1)
        for row, index in torch.nonzero(batch.spans[..., 0] >= 0).tolist():
            begin, until = batch.spans[row, index].tolist()
            word = pieces.tokenizer.id_to_token(int(batch.said[row, index]))
            (pauses if word in ".,?" else words).append(float(level[row, 2 * begin : 2 * until].mean()))
    assert len(words) > 50
    assert np.median(words) > np.median(pauses) + 0.2


def test_times_are_where_the_words_are(work: Path) -> None:
    pieces = find_pieces(work, 0)
    checked = 0
    for batch in batches(work, Lesson(10, 4, 1)):
        for row in range(len(batch.said)):
            timed, first = int(batch.said[row, 0]) - pieces.time(0.0), int(batch.spans[row, 1, 0])
            if timed >= 0 and first >= 0 and not (batch.first_position == 0 and timed == 50):
                assert timed * 0.02 == pytest.approx((batch.first_position + first) * POSITION_S, abs=0.021)
                checked += 1
    assert checked > 10


def test_full_windows_are_as_in_use(work: Path) -> None:
    for batch in batches(work, Lesson(4, 2, 12, full=True)):
        assert batch.features.shape[1:] == (FeatureExtractor().mel_filters.shape[0], 1000)
        assert batch.first_position == 0


def test_the_encoder_of_any_length_is_whispers(work: Path) -> None:
    torch.manual_seed(1)
    network = Hearing(find_pieces(work, 0)).eval()
    features = torch.randn(1, 80, 3000)
    with torch.no_grad():
        ours = network.encode(features)
        theirs = network.whisper.model.encoder(features).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_the_guide_is_least_where_the_head_looks_at_the_word(work: Path) -> None:
    network = Hearing(find_pieces(work, 0))
    batch = next(one for one in batches(work, Lesson(6, 2, 1)) if (one.spans >= 0).any())
    rows, length, frames = *batch.said.shape, batch.features.shape[2] // 2
    at = torch.arange(frames)
    inside = (at >= batch.spans[..., :1]) & (at < batch.spans[..., 1:])

    def guide(scores: torch.Tensor) -> float:
        network._scores = lambda: scores  # type: ignore[method-assign]
        return float(network._guide(batch))

    assert guide(torch.where(inside, 0.0, -1e4)) == pytest.approx(0.0, abs=1e-4)
    assert guide(torch.where(inside, -1e4, 0.0)) > 1000
    assert 0 < guide(torch.zeros(rows, length, frames)) < 8


@pytest.mark.slow
def test_killed_it_goes_on_where_it_was_saved(work: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        (folder / "recordings").symlink_to(work / "recordings")
        (folder / "pieces.json").symlink_to(work / "pieces.json")
    torch.set_num_threads(1)
    lines: list[str] = []
    train(whole, 0, "cpu", lines.append, LESSONS, voices=4)
    assert "from step 0" in lines[0]

    code = SMALL + (
        "import os, signal, torch; from pathlib import Path\n"
        "from tests.toyworld.training.hearing.test_course import LESSONS\n"
        "torch.set_num_threads(1); course._SAVE_EVERY_S = 0.0\n"
        "tell = lambda line: os.kill(os.getpid(), signal.SIGKILL) if \"'step': 4\" in line else None\n"
        f"course.train(Path({str(killed)!r}), 0, 'cpu', tell, LESSONS, voices=4)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    lines = []
    train(killed, 0, "cpu", lines.append, LESSONS, voices=4)
    assert "from step 3" in lines[0]

    (network, _, steps), (other, _, _) = weights(whole, 0), weights(killed, 0)
    assert steps == sum(lesson.steps for lesson in LESSONS)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-5)
    assert [json.loads(line)["step"] for line in (killed / "curve.jsonl").read_text().splitlines()] == [1, 2, 3, 4]


def test_losses_ignore_what_is_padding(work: Path) -> None:
    network = Hearing(find_pieces(work, 0)).eval()
    batch = batches(work, Lesson(1, 2, 1))[0]
    longer = Batch(
        **{
            **vars(batch),
            "read": torch.nn.functional.pad(batch.read, (0, 3)),
            "said": torch.nn.functional.pad(batch.said, (0, 3), value=IGNORED),
            "spans": torch.nn.functional.pad(batch.spans, (0, 0, 0, 3), value=-1),
        }
    )
    with torch.no_grad():
        one, two = network.losses(batch, sounds=True), network.losses(longer, sounds=True)
    assert one.keys() >= {"total", "pieces", "guide"}
    for name, loss in one.items():
        assert float(two[name]) == pytest.approx(float(loss), rel=1e-3)


def test_windows_begin_with_a_pause_or_in_the_first_sound(work: Path) -> None:
    """As faster-whisper's do, which goes on behind the last word of the window before."""
    begins = []
    for batch in batches(work, Lesson(30, 2, 1)):
        begins += [int(spans[spans[:, 0] >= 0][0, 0]) for spans in batch.spans if (spans[:, 0] >= 0).any()]
    assert sum(first <= 4 for first in begins) > len(begins) * 0.08
    assert sum(first > 20 for first in begins) > len(begins) * 0.3


def test_most_windows_say_again_what_was_said(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = find_pieces(work, 0)

    def repeated() -> float:
        shares = []
        for batch in batches(work, Lesson(8, 4, 4)):
            for row in batch.said:
                words = pieces.tokenizer.decode([int(one) for one in row if one != IGNORED]).split()
                shares.append(1 - len(set(words)) / len(words) if words else 0.0)
        return fmean(shares)

    monkeypatch.setattr(windows, "_ALIKE_SHARE", 0.0)
    by_chance = repeated()
    monkeypatch.setattr(windows, "_ALIKE_SHARE", 1.0)
    assert repeated() > by_chance + 0.05
