"""How well a recogniser hears: held-out sentences by known and by new speakers, whole narrations, and what is none.

All goes the way of the daemon: a WAV file with several sentences and pauses, silero VAD, the model's windows.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vta_stream.domain.transcript import Word
from vta_stream.toyworld.evaluation.word_errors import align, plain_words
from vta_stream.toyworld.world.realm import Realm, rng_of
from vta_stream.toyworld.world.sentences import draw_sentence
from vta_stream.toyworld.world.speech import RATE_HZ, Samples, SpokenWord, Voice, draw_voice, speak
from vta_stream.toyworld.world.vocabulary import FOREIGN

if TYPE_CHECKING:
    from vta_stream.ports import SpeechRecognizer

_PAUSES_S = ((0.25, 0.7), (1.4, 2.4), (2.4, 6.0))
"""Within a run of sentences, between runs, and at a change of scene."""

_PAUSE_WEIGHTS = (5, 3, 1)
_PEAK, _NOISE = 0.6, 0.0008
_SENTENCES_PER_RECORDING = 6
_NARRATIONS_S = (30.0, 60.0, 90.0, 120.0, 180.0)
_OTHERS, _OTHERS_S = 6, 20.0


@dataclass(frozen=True)
class SpeechFigures:
    """`words` were said in `recordings`. Errors over words; start errors of the words that were heard right.

    `start_error_s` is the median, `start_error_p90_s` the 90th percentile, `late_s` the median with its sign; None
    where no word was.
    """

    recordings: int
    words: int
    word_error_rate: float
    start_error_s: float | None
    start_error_p90_s: float | None
    late_s: float | None


@dataclass(frozen=True)
class HearingFigures:
    """Held-out figures. `foreign` and `no_speech` are words heard a minute where no English is spoken: 0 is right."""

    seed: int
    unseen_sentences: SpeechFigures
    unseen_speakers: SpeechFigures
    narrations: SpeechFigures
    foreign_words_per_minute: float
    no_speech_words_per_minute: float


@dataclass(frozen=True, eq=False)
class _Recording:
    samples: Samples
    words: tuple[SpokenWord, ...]


def evaluate_hearing(
    recogniser: SpeechRecognizer, seed: int, sentences: int, say: Callable[[str], None]
) -> HearingFigures:
    """Measure a recogniser that is set up: `sentences` of each of two kinds, and a narration of each length.

    Blocking; about a minute for 240 sentences on one core. Raises SpeechMissing without espeak-ng.
    """
    recordings = -(-sentences // _SENTENCES_PER_RECORDING)

    def rng(purpose: str) -> random.Random:
        return rng_of(Realm.HELD_OUT, seed, f"hearing {purpose}")

    def told(purpose: str, unseen: bool) -> list[_Recording]:
        chance = rng(purpose)
        return [
            _record(chance, draw_voice(chance, Realm.HELD_OUT, unseen=unseen), _SENTENCES_PER_RECORDING)
            for _ in range(recordings)
        ]

    figures = {}
    for name, made in (
        ("unseen_sentences", told("sentences", unseen=False)),
        ("unseen_speakers", told("speakers", unseen=True)),
        ("narrations", list(_narrations(rng("narrations")))),
    ):
        figures[name] = _measure(recogniser, made)
        say(f"{name.replace('_', ' ')}: word error rate {figures[name].word_error_rate:.2%}")
    foreign = [_foreign(rng(f"foreign {index}")) for index in range(_OTHERS)]
    other = [_no_speech(rng(f"no speech {index}"), index) for index in range(_OTHERS)]
    return HearingFigures(
        seed=seed,
        **figures,
        foreign_words_per_minute=_words_per_minute(recogniser, foreign),
        no_speech_words_per_minute=_words_per_minute(recogniser, other),
    )


def _record(rng: random.Random, voice: Voice, sentences: int) -> _Recording:
    return _put_together(rng, [(draw_sentence(rng, Realm.HELD_OUT), "en") for _ in range(sentences)], voice)


def _narrations(rng: random.Random) -> Iterator[_Recording]:
    for length_s in _NARRATIONS_S:
        voice = draw_voice(rng, Realm.HELD_OUT)
        sentences = 3
        while len((made := _record(random.Random(rng.random()), voice, sentences)).samples) < length_s * RATE_HZ:
            sentences += 3
        yield made


def _foreign(rng: random.Random) -> _Recording:
    language = rng.choice(list(FOREIGN))
    return _put_together(rng, [(text, language) for text in FOREIGN[language]], draw_voice(rng, Realm.HELD_OUT))


def _no_speech(rng: random.Random, kind: int) -> _Recording:
    """A breath of noise, loud noise, or a tone."""
    chance = np.random.default_rng(rng.getrandbits(64))
    count = round(_OTHERS_S * RATE_HZ)
    noise = chance.normal(0, 0.1 if kind % 3 == 1 else _NOISE, count)
    tone = 0.2 * np.sin(2 * np.pi * rng.uniform(150, 600) * np.arange(count) / RATE_HZ) * (kind % 3 == 2)
    return _Recording(np.clip(noise + tone, -1, 1).astype(np.float32), ())


def _put_together(rng: random.Random, texts: Sequence[tuple[str, str]], voice: Voice) -> _Recording:
    """Sentences one after the other with pauses, over a breath of noise."""
    parts, words, at_s = [], list[SpokenWord](), 0.0
    for text, language in texts:
        pause = np.zeros(round(rng.uniform(*rng.choices(_PAUSES_S, _PAUSE_WEIGHTS)[0]) * RATE_HZ), np.float32)
        spoken = speak(text, voice, language)
        at_s += len(pause) / RATE_HZ
        words += [SpokenWord(word.text, at_s + word.start_s, at_s + word.end_s) for word in spoken.words]
        parts += [pause, spoken.samples]
        at_s += len(spoken.samples) / RATE_HZ
    samples = np.concatenate([*parts, np.zeros(RATE_HZ, np.float32)])
    samples *= np.float32(_PEAK / max(1e-6, float(np.abs(samples).max())))
    chance = np.random.default_rng(rng.getrandbits(64))
    samples += np.float32(_NOISE) * chance.standard_normal(len(samples), dtype=np.float32)
    return _Recording(samples, tuple(words))


def _measure(recogniser: SpeechRecognizer, recordings: Sequence[_Recording]) -> SpeechFigures:
    errors, late_s = 0, list[float]()
    for recording in recordings:
        heard = _recognise(recogniser, recording)
        pairs = align(plain_words(recording.words), plain_words(heard))
        errors += sum(said is None or got is None or said.text != got.text for said, got in pairs)
        late_s += [got.start_s - said.start_s for said, got in pairs if said and got and said.text == got.text]
    words = sum(len(plain_words(recording.words)) for recording in recordings)
    off_s = sorted(map(abs, late_s))
    return SpeechFigures(
        recordings=len(recordings),
        words=words,
        word_error_rate=round(errors / words, 5),
        start_error_s=round(statistics.median(off_s), 4) if off_s else None,
        start_error_p90_s=round(off_s[int(0.9 * (len(off_s) - 1))], 4) if off_s else None,
        late_s=round(statistics.median(late_s), 4) if off_s else None,
    )


def _words_per_minute(recogniser: SpeechRecognizer, recordings: Sequence[_Recording]) -> float:
    words = sum(len(_recognise(recogniser, recording)) for recording in recordings)
    return round(words / (sum(len(one.samples) for one in recordings) / RATE_HZ / 60), 3)


def _recognise(recogniser: SpeechRecognizer, recording: _Recording) -> tuple[Word, ...]:
    with tempfile.TemporaryDirectory(prefix="hearing-") as folder:
        path = Path(folder) / "sound.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes((recording.samples * 32767).astype("<i2").tobytes())
        transcript = recogniser.transcribe(path, "held-out", None)
    return tuple(word for cue in transcript.cues for word in cue.words)
