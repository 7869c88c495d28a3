"""Windows as Whisper sees them: features of sound, padded with zeros, and what is said in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from vta_stream.toyworld.training.hearing.pieces import IGNORED, Label, Pieces, Utterance
from vta_stream.toyworld.training.hearing.recordings import Sentence, Speaker
from vta_stream.toyworld.whisper_format import MELS, WINDOW_S
from vta_stream.toyworld.world.realm import Realm, rng_of
from vta_stream.toyworld.world.speech import RATE_HZ, SpokenWord

Floats = npt.NDArray[np.float32]

FRAME_S = 0.01
POSITION_S = 2 * FRAME_S
"""What the encoder makes of two frames."""

_GAPS_S, _GAP_WEIGHTS = ((0.05, 0.2), (0.2, 0.9), (0.9, 2.6), (2.6, 4.0)), (1, 6, 3, 0.5)
"""Between sentences. faster-whisper's VAD shortens pauses of more than two seconds."""

_LEADS_S, _LEAD_WEIGHTS = ((-0.06, 0.1), (0.1, 0.8), (0.8, 2.4)), (2, 5, 3)
"""Before the first sentence. A window begins where the last word of the one before has ended, so with a pause."""

_USUAL_S, _DRAWN = (1.5, 5.0), 3
"""In a batch sentences are of like length, so that less of it is padding: the most fitting of so many is said."""

_ALIKE_SHARE, _ALIKE_DRAWN = 0.6, 8
"""So often a window tells of the same things again and again, as narrators do: of so many sentences each time the one
is said that repeats most of the words. Where a word is said twice, a decoder that knows only the word goes on at the
wrong one, and leaves out what is between."""

_MASKED_SHARE, _MASKS_MAX, _MASK_MELS_MAX = 0.4, 2, 12
"""So many windows lack a band or two, each of up to so many of the 80 mels: a voice never heard lacks bands that others
have. The bands of SpecAugment (Park et al. 2019), without its gaps in time, in which words would be lost."""

_NO_SPEECH_SHARE, _FOREIGN_SHARE, _UNTIMED_SHARE = 0.05, 0.07, 0.3


@dataclass(frozen=True, slots=True)
class Lesson:
    """A part of the course: `steps` batches of `rows` windows with up to `sentences` in each.

    `full`: windows of WINDOW_S, as in use; else they are as long as the longest, and begin at any time within that.
    """

    steps: int
    rows: int
    sentences: int
    full: bool = False


@dataclass(frozen=True)
class Batch:
    """Features (rows, 80, frames); the pieces read and said (rows, length); spans in positions (rows, length, 2), -1
    where there is none; the spoken letters one after the other with their counts; the first position's number.
    """

    features: torch.Tensor
    read: torch.Tensor
    said: torch.Tensor
    spans: torch.Tensor
    letters: torch.Tensor
    letter_counts: torch.Tensor
    positions: torch.Tensor
    first_position: int

    def to(self, device: str) -> Batch:
        """The batch on a device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return Batch(**moved, first_position=self.first_position)


class Windows(Dataset[Batch]):
    """Batch number i, always the same from one seed."""

    def __init__(self, speakers: Sequence[Speaker], pieces: Pieces, lessons: Sequence[Lesson], seed: int) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        self._speakers = speakers
        self._pieces = pieces
        self._lessons = [lesson for lesson in lessons for _ in range(lesson.steps)]
        self._seed = seed
        self._extract = FeatureExtractor(feature_size=MELS)

    def __len__(self) -> int:
        return len(self._lessons)

    def __getitem__(self, index: int) -> Batch:
        rng = rng_of(Realm.TRAINING, self._seed, f"batch {index}")
        lesson = self._lessons[index]
        usual_s = rng.uniform(*_USUAL_S)
        rows = [self._window(rng, lesson, usual_s) for _ in range(lesson.rows)]
        frames = round(WINDOW_S / FRAME_S) if lesson.full else max(features.shape[1] for features, _ in rows)
        frames += frames % 2
        # Sounds do not change with the time in the window; the times that are said do. So all are learnt at once.
        room = round(WINDOW_S / POSITION_S) - frames // 2
        first = rng.randint(0, room) if room and rng.random() < 0.6 else 0
        labels = [self._label(utterances, features, rng, first) for features, utterances in rows]
        return _batch([features for features, _ in rows], labels, frames, first)

    def _window(self, rng: random.Random, lesson: Lesson, usual_s: float) -> tuple[Floats, list[Utterance]]:
        drawn = rng.random()
        speaker = rng.choice(self._speakers)
        if drawn < _NO_SPEECH_SHARE:
            length_s = rng.uniform(0.5, WINDOW_S if lesson.full else usual_s * lesson.sentences)
            wave, utterances = _noise(rng, round(length_s * RATE_HZ)), list[Utterance]()
        else:
            foreign = drawn < _NO_SPEECH_SHARE + _FOREIGN_SHARE
            wave, utterances = _compose(rng, lesson, speaker.foreign if foreign else speaker.english, speaker, usual_s)
            wave = _worn(rng, wave)
            if foreign:
                utterances = []
        features = self._extract(wave)[:, : round(WINDOW_S / FRAME_S)]
        return masked(rng, _coloured(rng, features)).astype(np.float32), utterances

    def _label(self, utterances: list[Utterance], features: Floats, rng: random.Random, first: int) -> Label:
        to_s = features.shape[1] * FRAME_S
        cut = bool(utterances) and utterances[-1].words[-1].end_s > to_s
        timed = cut or rng.random() >= _UNTIMED_SHARE
        from_s = first * POSITION_S
        moved = [
            Utterance(tuple(SpokenWord(word.text, word.start_s + from_s, word.end_s + from_s) for word in one.words))
            for one in utterances
        ]
        return self._pieces.label(moved, timed=timed, from_s=from_s, to_s=to_s + from_s)


def _compose(
    rng: random.Random, lesson: Lesson, sentences: Sequence[Sentence], speaker: Speaker, usual_s: float
) -> tuple[Floats, list[Utterance]]:
    """One to `sentences` sentences with pauses, at one rate and loudness; up to WINDOW_S and what is cut off there."""
    stretch = rng.uniform(0.82, 1.22) if rng.random() < 0.6 else 1.0
    gain = 10 ** rng.uniform(-1.2, 0.2)
    lead_s = rng.uniform(*rng.choices(_LEADS_S, weights=_LEAD_WEIGHTS)[0])
    length_s, missing = max(0.0, lead_s), round(max(0.0, -lead_s) * RATE_HZ)
    parts, utterances = [np.zeros(round(length_s * RATE_HZ), np.float32)], list[Utterance]()
    alike, said = rng.random() < _ALIKE_SHARE, set[str]()
    for _ in range(rng.randint(1, lesson.sentences)):
        if alike and said:
            sentence = max((rng.choice(sentences) for _ in range(_ALIKE_DRAWN)), key=lambda one: _repeats(one, said))
        else:
            drawn = [rng.choice(sentences) for _ in range(_DRAWN)]
            sentence = min(drawn, key=lambda one: abs(one.count / RATE_HZ - usual_s))
        said |= {word.text for word in sentence.words}
        wave = _stretched(speaker.wave(sentence), stretch)
        if not utterances:
            wave = wave[missing:]
        utterances.append(_placed(sentence, length_s - (0 if utterances else missing / RATE_HZ), stretch))
        gap_s = rng.uniform(*rng.choices(_GAPS_S, weights=_GAP_WEIGHTS)[0])
        parts += [wave, np.zeros(round(gap_s * RATE_HZ), np.float32)]
        length_s = sum(map(len, parts)) / RATE_HZ
        if length_s > WINDOW_S:
            break
    if lesson.full is False and rng.random() < 0.5:
        parts.pop()
    return gain * np.concatenate(parts)[: round((WINDOW_S + 1) * RATE_HZ)], utterances


def _repeats(sentence: Sentence, said: set[str]) -> float:
    """Share of its words that were said before."""
    return sum(word.text in said for word in sentence.words) / len(sentence.words)


def _stretched(wave: Floats, stretch: float) -> Floats:
    """Slower and lower by the factor: a larger throat, so to say."""
    if stretch == 1.0:
        return wave
    at = np.arange(round(len(wave) * stretch), dtype=np.float32) / np.float32(stretch)
    stretched: Floats = np.interp(at, np.arange(len(wave), dtype=np.float32), wave).astype(np.float32)
    return stretched


def _placed(sentence: Sentence, from_s: float, stretch: float) -> Utterance:
    return Utterance(
        tuple(
            SpokenWord(word.text, max(0.0, from_s + stretch * word.start_s), from_s + stretch * word.end_s)
            for word in sentence.words
        )
    )


def _worn(rng: random.Random, wave: Floats) -> Floats:
    """With noise, 15 to 75 dB below the speech."""
    chance = np.random.default_rng(rng.getrandbits(64))
    level = np.float32(np.sqrt(np.mean(np.square(wave))) * 10 ** rng.uniform(-3.75, -0.75))
    return np.clip(wave + level * chance.standard_normal(len(wave), dtype=np.float32), -1.0, 1.0)


def _noise(rng: random.Random, count: int) -> Floats:
    """Silence, noise, a hum or a chord: nobody speaks."""
    chance = np.random.default_rng(rng.getrandbits(64))
    level = 10 ** rng.uniform(-5.0, -0.7)
    noise = 10 ** rng.uniform(-5.5, -3) * chance.standard_normal(count, dtype=np.float32)
    time_s = np.arange(count, dtype=np.float32) / RATE_HZ
    match rng.choice(("silence", "white", "brown", "chord", "melody")):
        case "silence":
            return np.zeros(count, np.float32) if rng.random() < 0.5 else noise
        case "white":
            return level * chance.standard_normal(count, dtype=np.float32)
        case "brown":
            walk = np.cumsum(chance.standard_normal(count, dtype=np.float32))
            walk -= np.linspace(walk[0], walk[-1], count, dtype=np.float32)
            return (level * walk / max(1e-6, float(np.abs(walk).max()))).astype(np.float32)
        case "chord":
            tones = [np.sin(2 * np.pi * rng.uniform(60, 2000) * time_s) for _ in range(rng.randint(1, 4))]
            return (noise + level * sum(tones) / len(tones)).astype(np.float32)
        case _:
            return (noise + level * _melody(rng, count)).astype(np.float32)


def _melody(rng: random.Random, count: int) -> Floats:
    """Notes one after the other, held or plucked."""
    length, fading, key_hz = round(rng.uniform(0.15, 0.8) * RATE_HZ), rng.choice((0.0, 4.0, 8.0)), rng.uniform(90, 500)
    time_s = np.arange(length, dtype=np.float32) / RATE_HZ
    notes = []
    for _ in range(-(-count // length)):
        pitch_hz = key_hz * 2 ** (rng.choice((0, 2, 4, 5, 7, 9, 11, 12)) / 12)
        tones = [np.sin(2 * np.pi * pitch_hz * over * time_s) / over**2 for over in (1, 2, 3)]
        notes.append(sum(tones) * np.exp(-fading * time_s) * np.minimum(1, time_s / 0.01))
    return np.concatenate(notes)[:count].astype(np.float32)


def _coloured(rng: random.Random, features: Floats) -> Floats:
    """Through another microphone: each band louder or softer, smoothly over the bands (in quarters of 10 dB)."""
    if rng.random() < 0.4:
        return features
    knots = [rng.gauss(0.0, 0.12) for _ in range(6)]
    curve = np.interp(np.linspace(0, 5, len(features)), range(6), knots).astype(np.float32)
    return features + curve[:, None]


def masked(rng: random.Random, features: Floats) -> Floats:
    """With a band or two as if nothing were there."""
    if rng.random() >= _MASKED_SHARE:
        return features
    masked, nothing = features.copy(), features.min()
    for _ in range(rng.randint(1, _MASKS_MAX)):
        mels = rng.randint(1, _MASK_MELS_MAX)
        first = rng.randint(0, len(features) - mels)
        masked[first : first + mels] = nothing
    return masked


def _batch(features: list[Floats], labels: list[Label], frames: int, first: int) -> Batch:
    rows, length = len(labels), max(len(label.read) for label in labels)
    padded = torch.zeros(rows, MELS, frames)
    read = torch.zeros(rows, length, dtype=torch.long)
    said = torch.full((rows, length), IGNORED)
    spans = torch.full((rows, length, 2), -1)
    for row, (own, label) in enumerate(zip(features, labels, strict=True)):
        padded[row, :, : own.shape[1]] = torch.from_numpy(own)
        read[row, : len(label.read)] = torch.tensor(label.read)
        said[row, : len(label.said)] = torch.tensor(label.said)
        for index, span_s in enumerate(label.spans_s):
            if span_s:
                begin = min(frames // 2 - 1, max(0, round(span_s[0] / POSITION_S) - first))
                until = min(frames // 2, max(begin + 1, round(span_s[1] / POSITION_S) - first))
                spans[row, index] = torch.tensor((begin, until))
    letters = torch.tensor([letter for label in labels for letter in label.letters], dtype=torch.long)
    counts = torch.tensor([len(label.letters) for label in labels])
    positions = torch.tensor([(own.shape[1] + 1) // 2 for own in features])
    return Batch(padded, read, said, spans, letters, counts, positions, first)
