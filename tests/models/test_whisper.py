"""The real loading code and the real decoder on a tiny model in the real format."""

from __future__ import annotations

import fcntl
import json
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from av import AudioResampler
from av import open as av_open
from faster_whisper import WhisperModel

from tests.models.tiny_whisper import SAYS, make_tiny_whisper
from vta_stream.models import whisper
from vta_stream.models.whisper import FasterWhisper
from vta_stream.models.whisper_weights import PINNED, find_weights
from vta_stream.ports import TerminalError, TransientError
from vta_stream.settings.work import TranscribeSettings

RATE_HZ = 16_000


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, made once for all xdist workers."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if root.name.startswith("popen-") else root
    with (root / "tiny-whisper.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "tiny-whisper/model.bin").exists():
            make_tiny_whisper(root / "tiny-whisper")
    return root / "tiny-whisper"


def settings(model: Path | str, **changes: object) -> TranscribeSettings:
    return TranscribeSettings.model_validate({"model": str(model), "device": "cpu", "threads": 1, **changes})


@pytest.fixture
def recognizer(tiny_whisper: Path) -> Iterator[FasterWhisper]:
    made = FasterWhisper(settings(tiny_whisper))
    made.setup()
    yield made
    made.close()


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture
def speech(shared_media: Path, tmp_path: Path) -> Path:
    """Eleven seconds of a president, as 16 kHz mono."""
    resampler = AudioResampler("s16", "mono", RATE_HZ)
    with av_open(str(shared_media / "audio/jfk.flac")) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]  # type: ignore[arg-type]
    return write_wav(tmp_path / "jfk.wav", np.concatenate(parts))


def test_speech_becomes_cues_with_timed_words(recognizer: FasterWhisper, speech: Path, tiny_whisper: Path) -> None:
    transcript = recognizer.transcribe(speech, "vid-1", None)
    assert (transcript.video_id, transcript.source, transcript.language) == ("vid-1", "asr", "en")
    cue = transcript.cues[0]
    assert cue.text == SAYS.strip()
    assert [word.text for word in cue.words] == SAYS.split()
    times = [time_s for word in cue.words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[-1] <= 11.0
    assert all(word.probability is not None and 0 <= word.probability <= 1 for word in cue.words)
    assert cue.average_logprob is not None
    assert cue.no_speech_probability is not None
    assert transcript == recognizer.transcribe(speech, "vid-1", "en"), "the same sound, another transcript"


def test_what_was_used_is_recorded(recognizer: FasterWhisper, speech: Path, tiny_whisper: Path, tmp_path: Path) -> None:
    model = recognizer.transcribe(speech, "v", None).model
    assert model is not None
    assert model.startswith("tiny-whisper@")
    assert "beam=5 vad default (cpu int8_float32)" in model
    other = FasterWhisper(settings(tiny_whisper, beam_size=1, vad=False, compute_type="float32")).model_id
    assert other.endswith("beam=1 no-vad float32")
    assert other.split()[0] == recognizer.model_id.split()[0]
    changed = shutil.copytree(tiny_whisper, tmp_path / "tiny-whisper")
    with (changed / "model.bin").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    assert FasterWhisper(settings(changed)).model_id.split()[0] != recognizer.model_id.split()[0]


@pytest.mark.parametrize("window_s", [10.0, 30.0])
def test_the_encoder_sees_windows_as_long_as_the_models_own(
    window_s: float, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """faster-whisper pads them all to 30 s, in which a model that was made for less leaves out phrases."""
    seen = []
    encode = WhisperModel.encode

    def spy(model: WhisperModel, features: np.ndarray) -> object:
        seen.append(features.shape[-1])
        return encode(model, features)

    monkeypatch.setattr(WhisperModel, "encode", spy)
    recognizer = FasterWhisper(settings(make_tiny_whisper(tmp_path / "tiny", window_s=window_s)))
    recognizer.setup()
    assert recognizer.transcribe(speech, "jfk", None).cues
    recognizer.close()
    assert len(seen) >= 1
    assert set(seen) == {round(window_s * 100)}


def test_silence_says_nothing(recognizer: FasterWhisper, tmp_path: Path) -> None:
    for seconds in (0, 3):
        transcript = recognizer.transcribe(write_wav(tmp_path / "s.wav", np.zeros(seconds * RATE_HZ)), "v", None)
        assert (transcript.cues, transcript.language) == ((), None)


def test_long_sound_is_taken_in_portions_cut_where_it_is_quiet(
    recognizer: FasterWhisper, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper, "_PORTION_S", 15)
    monkeypatch.setattr(whisper, "_SEEK_S", 6)
    with wave.open(str(speech)) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    pause = np.zeros(RATE_HZ, dtype="<i2")
    long = write_wav(tmp_path / "long.wav", np.concatenate([said, pause, said, pause, said]))
    portions = list(whisper._portions(long))
    assert [start_s for start_s, _ in portions] == pytest.approx([0.0, 11.25, 23.25], abs=0.1)
    assert sum(len(samples) for _, samples in portions) == 3 * len(said) + 2 * RATE_HZ
    cues = recognizer.transcribe(long, "v", None).cues
    assert [cue.text for cue in cues] == [SAYS.strip()] * 3
    assert [int(cue.start_s) // 11 for cue in cues] == [0, 1, 2]


def test_samples_are_those_of_the_file(tmp_path: Path) -> None:
    samples = np.arange(-32768, 32767, 7)
    [(start_s, read)] = list(whisper._portions(write_wav(tmp_path / "a.wav", samples)))
    assert start_s == 0.0
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, samples / 32768, atol=1e-7)
    with pytest.raises(ValueError, match="16 kHz mono"):
        list(whisper._portions(write_wav(tmp_path / "b.wav", samples, rate_hz=8000)))


def test_a_language_the_model_does_not_know(recognizer: FasterWhisper, speech: Path) -> None:
    with pytest.raises(TerminalError, match="does not know 'de'") as caught:
        recognizer.transcribe(speech, "v", "de")
    assert caught.value.reason == "language_unsupported"


def test_a_closed_recognizer_stops_and_can_be_set_up_again(recognizer: FasterWhisper, speech: Path) -> None:
    recognizer.close()
    with pytest.raises(TransientError, match="closed"):
        recognizer.transcribe(speech, "v", None)
    recognizer.setup()
    model = recognizer._model
    recognizer._stopping.set()  # as `close` does while another thread recognises
    with pytest.raises(TransientError, match="stopped"):
        recognizer.transcribe(speech, "v", None)
    recognizer.setup()
    assert recognizer._model is model, "weights were loaded twice"
    assert recognizer.transcribe(speech, "v", None).cues


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("no/such/folder", "no such folder"),
        ("./whisper-of-mine", "no such folder"),
        ("large-v9", "large-v3-turbo"),
    ],
)
def test_a_missing_model_names_itself_its_purpose_and_the_remedy(model: str, says: str) -> None:
    with pytest.raises(TerminalError) as caught:
        FasterWhisper(settings(model)).setup()
    assert caught.value.reason == "model_missing"
    for part in (repr(model), "speech in videos without subtitles", "transcribe.model", says):
        assert part in str(caught.value)


def test_a_model_of_the_hub_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TerminalError) as caught:
        FasterWhisper(settings("large-v3"), cache_dir=tmp_path).setup()
    assert caught.value.reason == "model_missing"
    revision = PINNED["Systran/faster-whisper-large-v3"]
    assert f"hf download Systran/faster-whisper-large-v3 --revision {revision}" in str(caught.value)


def test_weights_in_the_hubs_cache_are_used_without_the_hub(tiny_whisper: Path, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(tiny_whisper, tmp_path / "models--someone--whisper" / "snapshots" / commit)
    weights = find_weights(settings("someone/whisper", revision=commit), tmp_path)
    assert weights.identity == "someone/whisper@0123456789ab"
    made = FasterWhisper(settings("someone/whisper", revision=commit), tmp_path)
    made.setup()
    made.close()


def test_a_damaged_folder(tiny_whisper: Path, tmp_path: Path) -> None:
    for name, change, reason, says in [
        ("lacking", lambda f: (f / "tokenizer.json").unlink(), "model_missing", "has no tokenizer.json"),
        ("cut", lambda f: (f / "model.bin").write_bytes(b"\x06\0\0\0"), "model_damaged", "cannot be loaded"),
        ("json", lambda f: (f / "config.json").write_text("{"), "model_damaged", r"json is damaged .*Fetch"),
        ("half", lambda f: (f / "tokenizer.json").write_text("["), "model_damaged", r"half/tokenizer\.json is damaged"),
        ("list", lambda f: (f / "config.json").write_text("[]"), "model_damaged", r"config\.json or the vocabulary"),
        ("bytes", lambda f: (f / "config.json").write_bytes(b"\xff"), "model_damaged", r"config\.json is damaged"),
        ("pieces", lambda f: (f / "config.json").write_text(json.dumps({"suppress_ids_begin": [220, 50256]})),
         "model_damaged", r"\[50256\], but the vocabulary has only"),
    ]:  # fmt: skip
        folder = shutil.copytree(tiny_whisper, tmp_path / name)
        change(folder)
        with pytest.raises(TerminalError, match=says) as caught:
            FasterWhisper(settings(folder)).setup()
        assert caught.value.reason == reason, name


def test_the_package_s_own_model_says_how_to_get_it_back(
    tiny_whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vta_stream.models.saved._PACKAGE", tmp_path / "vta_stream")
    folder = shutil.copytree(tiny_whisper, tmp_path / "vta_stream/models/hearing")
    for name, reason, says in (
        ("config.json", "model_damaged", "config.json is damaged"),
        ("model.bin", "model_damaged", "cannot be loaded: .*model.bin"),
    ):
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
        with pytest.raises(TerminalError, match=f"(?s){says}.*get it back by: pip install") as caught:
            FasterWhisper(settings(folder)).setup()
        assert caught.value.reason == reason
        shutil.copy(tiny_whisper / name, folder / name)
    (folder / "model.bin").unlink()
    (tmp_path / ".git").mkdir()
    with pytest.raises(TerminalError, match=f"no model.bin.*git -C {tmp_path} checkout -- {folder}") as caught:
        FasterWhisper(settings(folder)).setup()
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there(tiny_whisper: Path) -> None:
    with pytest.raises(TerminalError, match=r"transcribe\.device") as caught:
        FasterWhisper(settings(tiny_whisper, device="cpu", compute_type="nonsense")).setup()
    assert caught.value.reason == "device_unusable"


def test_without_a_model_there_is_no_recognizer() -> None:
    with pytest.raises(ValueError, match=r"transcribe\.model"):
        FasterWhisper(settings(""))
