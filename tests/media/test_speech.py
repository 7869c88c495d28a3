"""Sound laid on the clock of the picture."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from vta_stream.children import ChildPool
from vta_stream.domain.video import Subtitle
from vta_stream.media import speech
from vta_stream.media.speech import SpeechReader, extract_audio
from vta_stream.ports import TerminalError

RATE_HZ = 8_000


def film(path: Path, *, first_frame_s: float, tones: list[tuple[float, float]]) -> Path:
    """A Matroska file: one second of black from `first_frame_s`, and a tone in each (start, length) of `tones`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = 64, 48
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for number in range(25):
            frame = VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = round(first_frame_s * 1000) + number * 40, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start_s, length_s in tones:
            samples = 20_000 * np.sin(np.arange(round(length_s * RATE_HZ)) * 2 * np.pi * 440 / RATE_HZ)
            sound = AudioFrame.from_ndarray(samples.astype(np.int16)[None], format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = RATE_HZ, round(start_s * RATE_HZ), Fraction(1, RATE_HZ)
            container.mux(audio.encode(sound))
    return path


def loud(path: Path) -> list[tuple[float, float]]:
    """(start, end) of what can be heard, to 10 ms."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)
    steps = np.abs(samples[: len(samples) // 160 * 160].reshape(-1, 160)).max(axis=1) > 2000
    edges = np.flatnonzero(np.diff(np.concatenate([[0], steps.astype(int), [0]])))
    return [(start / 100, end / 100) for start, end in edges.reshape(-1, 2).tolist()]


def test_gaps_are_silent_and_early_sound_is_left_out(tmp_path: Path) -> None:
    media = film(tmp_path / "a.mkv", first_frame_s=0.5, tones=[(0.0, 1.0), (2.0, 0.5), (3.5, 0.5)])
    length_s = extract_audio(media, tmp_path / "a.wav")
    assert length_s == pytest.approx(3.5, abs=0.02)
    assert loud(tmp_path / "a.wav") == [
        (pytest.approx(start_s, abs=0.02), pytest.approx(end_s, abs=0.02))
        for start_s, end_s in [(0.0, 0.5), (1.5, 2.0), (3.0, 3.5)]
    ]


def test_late_sound_is_preceded_by_silence(tmp_path: Path) -> None:
    media = film(tmp_path / "a.mkv", first_frame_s=0.0, tones=[(1.25, 0.5)])
    extract_audio(media, tmp_path / "a.wav")
    assert loud(tmp_path / "a.wav") == [(pytest.approx(1.25, abs=0.02), pytest.approx(1.75, abs=0.02))]


def test_lying_times_do_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = film(tmp_path / "a.mkv", first_frame_s=0.0, tones=[(0.0, 0.5), (90_000.0, 0.5)])
    assert extract_audio(far, tmp_path / "a.wav") == pytest.approx(1.0, abs=0.02)
    monkeypatch.setattr(speech, "_AUDIO_MAX_S", 2)
    long = film(tmp_path / "b.mkv", first_frame_s=0.0, tones=[(0.1 * number, 0.1) for number in range(50)])
    assert extract_audio(long, tmp_path / "b.wav") == pytest.approx(2.0, abs=0.3)


def test_real_files(shared_media: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    for name, length_s in [
        ("video/nasa_13013.mp4", 13.056),
        ("video/big_buck_bunny_0_30.webm", 30.02),
        ("video/sintel_trailer_480p_en.mp4", 52.22),
    ]:
        assert extract_audio(shared_media / name, target) == pytest.approx(length_s, abs=0.05), name
        assert loud(target), name
    for name in ("video/intel_bottle.mp4", "video/dog_eating_854132.mp4", "hostile/tc_av1_video.mkv"):
        assert extract_audio(shared_media / name, target) is None, name
    with pytest.raises(TerminalError) as caught:
        extract_audio(shared_media / "hostile/zero_byte.webm", target)
    assert caught.value.reason == "empty_file"


async def test_in_a_child(shared_media: Path, tmp_path: Path) -> None:
    reader = SpeechReader(ChildPool("speech", 1))
    video = shared_media / "video/nasa_13013.mp4"
    assert await reader.audio(video, tmp_path / "a.wav", 13.056) == pytest.approx(13.056, abs=0.01)
    inside = Subtitle("eng", "manual", "mov_text", stream_index=2)
    assert len(await reader.subtitle(video, inside, None, 13.056)) == 4
    with pytest.raises(TerminalError) as caught:
        await reader.subtitle(video, Subtitle("eng", "manual", "mov_text", stream_index=0), None, None)
    assert caught.value.reason == "subtitle_unreadable"
    await reader.close()
