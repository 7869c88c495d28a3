import ctypes
import random

import numpy as np
import pytest

from vta_stream.toyworld.world import speech
from vta_stream.toyworld.world.realm import Realm, realm_of
from vta_stream.toyworld.world.speech import (
    ACCENTS,
    RATE_HZ,
    SPEAKERS,
    UNSEEN_SPEAKERS,
    SpeechMissing,
    Voice,
    draw_voice,
    speak,
)
from vta_stream.toyworld.world.vocabulary import FILLERS, FOREIGN

SENTENCE = "There are three large red circles in the top left corner."


def loudness(samples: np.ndarray, start_s: float, end_s: float) -> float:
    part = samples[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]
    return float(np.sqrt(np.mean(np.square(part))))


@pytest.mark.usefixtures("espeak")
@pytest.mark.parametrize(
    "text", [SENTENCE, *FILLERS[:3], 'It\'s 23 - no, 1999 - of "them"!', "In the end there are none in the end."]
)
def test_words_are_those_that_are_written_and_follow_each_other(text: str) -> None:
    spoken = speak(text, Voice("en-us+m3"))
    assert [word.text for word in spoken.words] == text.split()
    assert spoken.samples.dtype == np.float32
    assert spoken.samples.ndim == 1
    assert np.abs(spoken.samples).max() <= 1.0
    duration_s = len(spoken.samples) / RATE_HZ
    for word, following in zip(spoken.words, spoken.words[1:], strict=False):
        assert 0 <= word.start_s <= word.end_s <= following.start_s
        assert word.start_s < following.start_s or not any(map(str.isalnum, word.text))
    assert spoken.words[-1].end_s <= duration_s
    assert sum(word.end_s - word.start_s for word in spoken.words) > 0.7 * duration_s


@pytest.mark.usefixtures("espeak")
def test_word_times_are_those_of_the_sound() -> None:
    """Around a comma it is silent between the words, and only there."""
    spoken = speak("Here is a ring, and a moon.", Voice("en-us+m3", speed_wpm=140))
    ring, and_ = spoken.words[3:5]
    assert and_.start_s - ring.end_s > 0.1
    assert loudness(spoken.samples, ring.end_s + 0.01, and_.start_s - 0.01) < 0.01
    assert all(loudness(spoken.samples, word.start_s, word.end_s) > 0.02 for word in spoken.words)


@pytest.mark.usefixtures("espeak")
def test_settings_are_heard() -> None:
    slow, fast = (speak(SENTENCE, Voice("en-us+m3", speed_wpm=speed)) for speed in (130, 200))
    assert len(slow.samples) > 1.3 * len(fast.samples)
    low, high = (pitch_hz(speak("Go.", Voice("en-us+m3", pitch, 130, 0)).samples) for pitch in (30, 75))
    assert 60 < low < 0.8 * high < 400


def pitch_hz(samples: np.ndarray) -> float:
    """By autocorrelation of the loudest tenth of a second."""
    width = RATE_HZ // 10
    parts = [samples[start : start + width] for start in range(0, len(samples) - width, width // 4)]
    loudest = max(parts, key=lambda part: float(np.square(part).sum()))
    similar = np.correlate(loudest, loudest, mode="full")[width - 1 :]
    first = RATE_HZ // 400
    return RATE_HZ / (first + int(similar[first : RATE_HZ // 60].argmax()))


@pytest.mark.usefixtures("espeak")
def test_every_speaker_has_a_voice_of_its_own() -> None:
    spectra = [
        np.abs(np.fft.rfft(speak("Six stars.", Voice(f"{accent}+{speaker}")).samples, n=RATE_HZ))
        for accent in ACCENTS
        for speaker in (*SPEAKERS, *UNSEEN_SPEAKERS)
    ]
    for index, one in enumerate(spectra):
        for other in spectra[:index]:
            assert np.corrcoef(one, other)[0, 1] < 0.9999


@pytest.mark.usefixtures("espeak")
@pytest.mark.parametrize("language", FOREIGN)
def test_foreign_sentences(language: str) -> None:
    for text in FOREIGN[language]:
        foreign, english = (speak(text, Voice("en-us+f2"), spoken) for spoken in (language, "en"))
        assert [word.text for word in foreign.words] == text.split()
        shorter = min(len(foreign.samples), len(english.samples))
        assert not np.allclose(foreign.samples[:shorter], english.samples[:shorter], atol=0.1)


def test_realms_share_no_voice_and_unseen_speakers_stay_so() -> None:
    rng = random.Random(7)
    drawn = {realm: {draw_voice(rng, realm) for _ in range(200)} for realm in Realm}
    for realm, voices in drawn.items():
        assert {realm_of(voice.key()) for voice in voices} == {realm}
        assert {voice.name.partition("+")[2] for voice in voices} <= set(SPEAKERS)
        assert len(voices) > 190
    unseen = {draw_voice(rng, Realm.HELD_OUT, unseen=True).name.partition("+")[2] for _ in range(60)}
    assert unseen == set(UNSEEN_SPEAKERS)
    assert not set(SPEAKERS) & set(UNSEEN_SPEAKERS)
    with pytest.raises(ValueError, match="unseen"):
        draw_voice(rng, Realm.TRAINING, unseen=True)


@pytest.mark.usefixtures("espeak")
@pytest.mark.parametrize("name", ["en-us+nobody", "nowhere", "nowhere+m1"])
def test_a_voice_that_is_not_there(name: str) -> None:
    with pytest.raises(SpeechMissing, match="no voice"):
        speak("One.", Voice(name))


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "_LIBRARY", "libespeak-ng.so.none")
    with pytest.raises(SpeechMissing, match="apt-get install libespeak-ng1 espeak-ng-data"):
        speech._library.__wrapped__()


def test_without_its_data_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself is left as it is: it hangs when it is initialised a second time."""

    class Bare:
        def espeak_Initialize(self, *_: object) -> int:
            return -1

        def espeak_Info(self, _: object) -> None: ...

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Bare())
    with pytest.raises(SpeechMissing, match=r"finds no data.*espeak-ng-data"):
        speech._library.__wrapped__()
