"""Many voices, each saying a few sentences: made once, kept as 16-bit samples, and read in place."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vta_stream.toyworld.world.realm import Realm, rng_of
from vta_stream.toyworld.world.sentences import draw_sentence
from vta_stream.toyworld.world.speech import SpokenWord, draw_voice, speak
from vta_stream.toyworld.world.vocabulary import FOREIGN

SENTENCES_PER_VOICE = 12
_FOREIGN_PER_VOICE = 3
_VOICES_PER_FILE = 50


@dataclass(frozen=True, slots=True)
class Sentence:
    """One spoken sentence: where its samples begin in the file and how many there are, and its words with times."""

    text: str
    foreign: bool
    first: int
    count: int
    words: tuple[SpokenWord, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Speaker:
    """What one voice has said."""

    samples: npt.NDArray[np.int16]
    english: tuple[Sentence, ...]
    foreign: tuple[Sentence, ...]

    def wave(self, sentence: Sentence) -> npt.NDArray[np.float32]:
        """A sentence's samples in -1..1."""
        part = self.samples[sentence.first : sentence.first + sentence.count]
        return part.astype(np.float32) / np.float32(32768)


def record(folder: Path, voices: int, seed: int, tell: Callable[[str], None]) -> None:
    """Let `voices` voices of the training realm speak into `folder`. What is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    files = -(-voices // _VOICES_PER_FILE)
    for index in range(files):
        if not (folder / f"{index:04}.json").is_file():
            _record_file(folder, index, seed)
            if index % 5 == 4 or index == files - 1:
                tell(f"recorded {(index + 1) * _VOICES_PER_FILE} voices of {voices}")


def load(folder: Path) -> list[Speaker]:
    """All speakers in `folder`, their samples mapped into memory."""
    speakers = []
    for path in sorted(folder.glob("*.json")):
        samples = np.memmap(path.with_suffix(".s16"), dtype=np.int16, mode="r")
        for listed in json.loads(path.read_text(encoding="utf-8")):
            said = [
                Sentence(text, foreign, first, count, tuple(SpokenWord(*word) for word in words))
                for text, foreign, first, count, words in listed
            ]
            english, foreign = ([one for one in said if one.foreign == is_foreign] for is_foreign in (False, True))
            speakers.append(Speaker(samples, tuple(english), tuple(foreign)))
    return speakers


def _record_file(folder: Path, index: int, seed: int) -> None:
    rng = rng_of(Realm.TRAINING, seed, f"recordings {index}")
    partial, samples_path = folder / f"{index:04}.part", folder / f"{index:04}.s16"
    listed, first = [], 0
    with partial.open("wb") as file:
        for _ in range(_VOICES_PER_FILE):
            voice = draw_voice(rng, Realm.TRAINING)
            said = []
            for text, language in _draw_texts(rng):
                spoken = speak(text, voice, language)
                file.write((spoken.samples * 32767).astype("<i2").tobytes())
                words = [(word.text, round(word.start_s, 3), round(word.end_s, 3)) for word in spoken.words]
                said.append((text, language != "en", first, len(spoken.samples), words))
                first += len(spoken.samples)
            listed.append(said)
    partial.replace(samples_path)
    partial.write_text(json.dumps(listed), encoding="utf-8")
    partial.replace(folder / f"{index:04}.json")


def _draw_texts(rng: random.Random) -> list[tuple[str, str]]:
    texts = [(draw_sentence(rng, Realm.TRAINING), "en") for _ in range(SENTENCES_PER_VOICE)]
    for _ in range(_FOREIGN_PER_VOICE):
        language = rng.choice(list(FOREIGN))
        words = [word for sentence in rng.sample(FOREIGN[language], 2) for word in sentence.split()]
        # Half of them out of order: it is the language that is to be known, not fifteen sentences.
        text = " ".join(rng.sample(words, rng.randint(3, 10))) if rng.random() < 0.5 else rng.choice(FOREIGN[language])
        texts.append((text, language))
    return texts
