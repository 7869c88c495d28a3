import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from vta_stream.domain.transcript import Cue, Transcript, Word
from vta_stream.toyworld.evaluation import hearing
from vta_stream.toyworld.evaluation.hearing import HearingFigures, evaluate_hearing

pytestmark = pytest.mark.usefixtures("espeak")


@dataclass
class Listener:
    """Hears what `hears` makes of the words that were put into the recording."""

    hears: Callable[[Sequence[Word]], Sequence[Word]] = lambda words: words
    lengths_s: list[float] = field(default_factory=list)
    recordings: list[tuple[Word, ...]] = field(default_factory=list)
    model_id: str = "listener"

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def transcribe(self, media: Path, video_id: str, language: str | None) -> Transcript:
        with wave.open(str(media), "rb") as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        assert 1000 < np.abs(samples).max() < 32767 or not self.recordings[-1]
        self.lengths_s.append(len(samples) / 16_000)
        words = tuple(self.hears(self.recordings[-1]))
        return Transcript(video_id, "asr", language, (Cue("", 0.0, 1.0, words),))


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> Callable[[Listener], HearingFigures]:
    """Measures a listener, who is told the words."""

    def evaluate(listener: Listener) -> HearingFigures:
        recognise = hearing._recognise

        def tell(recogniser: Listener, recording: hearing._Recording) -> tuple[Word, ...]:
            words = [Word(word.text, word.start_s, word.end_s) for word in recording.words]
            recogniser.recordings.append(tuple(words))
            return recognise(recogniser, recording)

        monkeypatch.setattr(hearing, "_recognise", tell)
        monkeypatch.setattr(hearing, "_NARRATIONS_S", (30.0, 45.0))
        return evaluate_hearing(listener, 3, 12, lambda _: None)

    return evaluate


def test_the_truth_has_no_errors(evaluated: Callable[[Listener], HearingFigures]) -> None:
    listener = Listener(lambda words: words)
    figures = evaluated(listener)
    for kind, recordings in ((figures.unseen_sentences, 2), (figures.unseen_speakers, 2), (figures.narrations, 2)):
        assert kind.recordings == recordings
        assert kind.words > 50
        assert (kind.word_error_rate, kind.start_error_s, kind.start_error_p90_s, kind.late_s) == (0, 0, 0, 0)
    assert all(length_s >= least_s for length_s, least_s in zip(listener.lengths_s[4:6], (30, 45), strict=True))


def test_errors_are_counted(evaluated: Callable[[Listener], HearingFigures]) -> None:
    """Every second word is another, and one more is made up; the rest is 0.2 s late, one in five of it 0.5 s."""

    def hears(words: Sequence[Word]) -> Sequence[Word]:
        late = [
            Word("nonsense" if index % 2 else word.text, word.start_s + (0.5 if index % 10 == 0 else 0.2), word.end_s)
            for index, word in enumerate(words)
        ]
        return [*late, Word("more", 0.0, 0.1)]

    figures = evaluated(Listener(hears))
    for kind in (figures.unseen_sentences, figures.unseen_speakers, figures.narrations):
        errors = kind.word_error_rate * kind.words
        assert errors == pytest.approx(kind.words / 2 + kind.recordings, abs=kind.recordings + 1)
        assert kind.start_error_s == pytest.approx(0.2)
        assert kind.late_s == pytest.approx(0.2)
        assert kind.start_error_p90_s == pytest.approx(0.5)


def test_words_heard_where_nobody_speaks_english(evaluated: Callable[[Listener], HearingFigures]) -> None:
    """The truth has them too, so that a listener who hears the truth babbles in foreign recordings alone."""
    figures = evaluated(Listener(lambda words: words))
    assert figures.foreign_words_per_minute > 30
    assert figures.no_speech_words_per_minute == 0.0
    assert evaluated(Listener(lambda words: ())).foreign_words_per_minute == 0.0


def test_nothing_heard_is_all_wrong(evaluated: Callable[[Listener], HearingFigures]) -> None:
    figures = evaluated(Listener(lambda words: ()))
    assert figures.unseen_sentences.word_error_rate == 1.0
    assert figures.unseen_sentences.start_error_s is None
