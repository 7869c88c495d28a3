"""Speech by espeak-ng, with the time of every word.

libespeak-ng is one per process and keeps its voice and buffers in globals. So calls from several threads take turns
here; for speed use processes. A sentence takes some 6 ms. It differs by a hair with what was said before it, but a
new process that says the same things in the same order gives the same samples.
"""

from __future__ import annotations

import ctypes
import random
import re
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vta_stream.toyworld.world.realm import Realm, realm_of

Samples = npt.NDArray[np.float32]

RATE_HZ = 16_000

ACCENTS = ("en-us", "en", "en-gb-x-rp")
"""American, British ("en-gb" is not found by every version), and British as of old on the wireless."""

SPEAKERS = (
    "m1", "m2", "m3", "m4", "m7", "m8", "f1", "f2", "f3", "f5",
    "adam", "Alex", "Andy", "Annie", "benjamin", "caleb", "david", "Gene", "john", "linda", "Michael", "steph",
)  # fmt: skip
UNSEEN_SPEAKERS = ("m6", "f4", "Mike", "Alicia", "edward", "shelby")
"""In training nobody speaks like these, whatever the accent, pitch and speed."""

_PITCHES, _SPEEDS_WPM, _RANGES = (30, 75), (130, 200), (30, 75)

_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS, _DO_NOT_EXIT = 2, 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4  # of espeak_PARAMETER
_END_OF_LIST, _WORD = 0, 1  # of espeak_EVENT_TYPE
_CHARACTERS, _UTF8 = 1, 1
_QUIET = 0.01  # of full scale: a word has ended when it is quieter up to the next one
_lock = threading.Lock()


class SpeechMissing(Exception):
    """libespeak-ng, its data, or a voice is not on this machine; says how to get it."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker and how it speaks.

    `name` is espeak's, accent and variant (`en-us+m3`); `pitch` and `pitch_range` go from 0 to 99 with 50 as the
    speaker's own; `speed_wpm` is in words a minute.
    """

    name: str
    pitch: int = 50
    speed_wpm: int = 160
    pitch_range: int = 50

    def key(self) -> str:
        """What decides the realm: all settings."""
        return f"voice: {self.name} pitch {self.pitch} range {self.pitch_range} speed {self.speed_wpm}"


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as it is written, its punctuation included, and when it is said, in seconds from the first sample."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """`samples` are mono at 16 kHz in -1..1; `words` are those of the text split at spaces, one for one."""

    samples: Samples
    words: tuple[SpokenWord, ...]


def draw_voice(rng: random.Random, realm: Realm, *, unseen: bool = False) -> Voice:
    """A voice of the realm; `unseen`: by a speaker who says nothing in training."""
    if unseen and realm == Realm.TRAINING:
        raise ValueError("a speaker of the training realm is not unseen")
    while True:
        name = f"{rng.choice(ACCENTS)}+{rng.choice(UNSEEN_SPEAKERS if unseen else SPEAKERS)}"
        voice = Voice(name, rng.randint(*_PITCHES), rng.randint(*_SPEEDS_WPM), rng.randint(*_RANGES))
        if realm_of(voice.key()) == realm:
            return voice


def speak(text: str, voice: Voice, language: str = "en") -> Spoken:
    """The text spoken; another language than `en` is spoken by the same speaker without the English accent.

    Espeak-ng says some pairs in one go ("there are", "in the"): the second word's start is then set by the number
    of letters. A word of signs alone, which nobody says, takes no time. Raises SpeechMissing.
    """
    accent, _, speaker = voice.name.partition("+")
    name = "+".join(filter(None, (accent if language == "en" else language, speaker)))
    with _lock:
        samples, starts = _synthesise(text, voice, name)
    return Spoken(samples, tuple(_words(text, samples, starts)))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_int64),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@cache
def _library() -> tuple[Any, int, Path]:
    """The library, its sampling rate in Hz, and the folder of its data."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise _missing(str(error)) from error
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 200, None, _DO_NOT_EXIT)
    data = ctypes.c_char_p()
    library.espeak_Info(ctypes.byref(data))
    if rate_hz <= 0:
        raise _missing(f"{_LIBRARY} finds no data in {(data.value or b'').decode()!r}")
    return library, rate_hz, Path((data.value or b"").decode())


def _missing(why: str) -> SpeechMissing:
    return SpeechMissing(
        f"no speech without espeak-ng: {why}. Install it: apt-get install libespeak-ng1 espeak-ng-data"
    )


def _synthesise(text: str, voice: Voice, name: str) -> tuple[Samples, dict[int, float]]:
    """The samples, and the time in seconds at which the character of an index begins, where a word does."""
    library, rate_hz, data = _library()
    variant = name.partition("+")[2]
    # Of an unknown variant espeak-ng says nothing and takes its usual one.
    if (variant and not (data / "voices" / "!v" / variant).is_file()) or library.espeak_SetVoiceByName(name.encode()):
        raise _missing(f"{data} has no voice {name!r}")
    for parameter, value in ((_RATE, voice.speed_wpm), (_PITCH, voice.pitch), (_RANGE, voice.pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)
    pieces: list[bytes] = []
    starts: dict[int, float] = {}

    def receive(wave: Any, count: int, events: Any) -> int:
        if count:
            pieces.append(ctypes.string_at(wave, 2 * count))
        index = 0
        while events[index].type != _END_OF_LIST:
            event = events[index]
            if event.type == _WORD and event.text_position > 0:
                starts.setdefault(event.text_position - 1, event.sample / rate_hz)
            index += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode() + b"\0"
    failed = library.espeak_Synth(encoded, len(encoded), 0, _CHARACTERS, 0, _UTF8, None, None)
    if failed or not pieces:
        raise SpeechMissing(f"espeak-ng said nothing to {text!r} in {name!r} (error {failed})")
    wave = np.frombuffer(b"".join(pieces), dtype="<i2").astype(np.float32) / np.float32(32768)
    return _resample(wave, rate_hz), starts


def _resample(wave: Samples, rate_hz: int) -> Samples:
    """To 16 kHz with a perfect low pass: the spectrum up to 8 kHz, of the whole at once."""
    divisor = np.gcd(rate_hz, RATE_HZ)
    blocks = -(-len(wave) * divisor // rate_hz) + 1  # a block more, of silence: the transform takes it for a circle
    count = int(blocks * RATE_HZ // divisor)
    spectrum = np.fft.rfft(wave, n=int(blocks * rate_hz // divisor))[: count // 2 + 1]
    resampled = np.fft.irfft(spectrum, n=count) * (RATE_HZ / rate_hz)
    resampled = np.clip(resampled[: -(-len(wave) * RATE_HZ // rate_hz)], -1.0, 1.0)
    return resampled.astype(np.float32)


def _words(text: str, samples: Samples, starts: dict[int, float]) -> list[SpokenWord]:
    tokens = [(found.start(), found.end(), found[0]) for found in re.finditer(r"\S+", text)]
    duration_s = len(samples) / RATE_HZ
    begins = [min((s for at, s in starts.items() if first <= at < last), default=None) for first, last, _ in tokens]
    letters = [sum(character.isalnum() for character in token) for _, _, token in tokens]
    known = [index for index, begin in enumerate(begins) if begin is not None]
    words = []
    for index, (_, _, token) in enumerate(tokens):
        before = max((one for one in known if one <= index), default=None)
        after = min((one for one in known if one > index), default=None)
        low = begins[before] if before is not None else 0.0
        high = begins[after] if after is not None else duration_s
        assert low is not None, "known"
        assert high is not None, "known"
        group = range(before or 0, after if after is not None else len(tokens))
        total = max(1, sum(letters[one] for one in group))
        start_s = low + (high - low) * sum(letters[one] for one in group if one < index) / total
        end_s = low + (high - low) * sum(letters[one] for one in group if one <= index) / total
        words.append(SpokenWord(token, start_s, _end_of_sound(samples, start_s, end_s)))
    return words


def _end_of_sound(samples: Samples, start_s: float, end_s: float) -> float:
    first = round(start_s * RATE_HZ)
    loud = np.flatnonzero(np.abs(samples[first : round(end_s * RATE_HZ)]) > _QUIET)
    return min(end_s, (first + int(loud[-1]) + 1) / RATE_HZ) if len(loud) else start_s
