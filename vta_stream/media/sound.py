"""The sound of a span, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.error import EOFError as MediaEOFError
from av.error import FFmpegError

from vta_stream.media.opening import open_media, pick_audio, pick_video

RATE_HZ = 48_000
CHANNELS = 2

_PREROLLS_S = (0.5, 5.0)
"""Decoding begins so long before the span, as decoders need some frames to settle and seeks may land late."""
_MARGIN_S = Fraction(1, 10)
"""So much sound round the span is resampled with it, so that its borders are like its middle."""
_ADJACENT_S = 0.01
"""Timestamps that are off by more are a gap or an overlap; by less it is rounding, and samples stay adjacent."""


class SoundError(Exception):
    """The span has sound, and none of it can be decoded."""


def sound_of(path: Path, origin: Fraction, start_s: float, duration_s: float) -> npt.NDArray[np.float32] | None:
    """Samples (2, n) at 48 kHz of `duration_s` from `start_s` on the video's clock; None without an audio stream.

    `origin` is the container's time at the video's zero, in seconds. Mono goes to both channels, more than two
    are mixed down. Where the source has nothing (before its first sample, in gaps) there is silence. Raises
    SoundError if there is something and nothing of it can be decoded.
    """
    with open_media(path) as container:
        audio = pick_audio(container, pick_video(container))
        if audio is None or not audio.codec_context.sample_rate:
            return None
        rate_hz = audio.codec_context.sample_rate
        begin_s = origin + Fraction(start_s) - _MARGIN_S
        buffer = _Buffer(begin_s, float(duration_s + 2 * _MARGIN_S), rate_hz)
        damaged = 0
        for frame in _frames_from(container, audio, begin_s):
            if frame is None:
                damaged += 1
            elif not buffer.put(frame):
                break
        if damaged and not buffer.filled:
            raise SoundError(f"{damaged} packets of sound, and none could be decoded")
    count = round(duration_s * RATE_HZ)
    skip = round((origin + Fraction(start_s) - buffer.begin_s) * RATE_HZ)
    resampled = _resampled(buffer.samples, rate_hz)[:, skip : skip + count]
    return np.pad(resampled, ((0, 0), (0, count - resampled.shape[1])))


class _Buffer:
    """Stereo samples at the source's rate, each at its time."""

    def __init__(self, begin_s: Fraction, duration_s: float, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._first = int(begin_s * rate_hz // 1)
        self.begin_s = Fraction(self._first, rate_hz)
        self.samples = np.zeros((CHANNELS, int(duration_s * rate_hz) + 2), dtype=np.float32)
        self.filled = False
        self._next: int | None = None
        self._converter: tuple[object, AudioResampler] | None = None

    def put(self, frame: AudioFrame) -> bool:
        """Place a frame; False if it lies beyond the end, so that no later one is wanted."""
        position = self._position(frame)
        if position >= self.samples.shape[1]:
            return False
        for part in self._stereo(frame):
            skip, end = max(0, -position), min(part.shape[1], self.samples.shape[1] - position)
            if skip < end:
                self.samples[:, position + skip : position + end] = part[:, skip:end]
                self.filled = True
            position += part.shape[1]
        self._next = position
        return True

    def _position(self, frame: AudioFrame) -> int:
        if frame.pts is None or frame.time_base is None:
            return self._next or 0
        stated = round(frame.pts * frame.time_base * self._rate_hz) - self._first
        if self._next is not None and abs(stated - self._next) <= _ADJACENT_S * self._rate_hz:
            return self._next
        return stated

    def _stereo(self, frame: AudioFrame) -> Iterator[npt.NDArray[np.float32]]:
        # A stream may change its layout half way; the converter then has to be made anew.
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._converter is None or self._converter[0] != kind:
            self._converter = kind, AudioResampler("fltp", "stereo", self._rate_hz)
        for part in self._converter[1].resample(frame):
            yield np.asarray(part.to_ndarray(), dtype=np.float32)


def _frames_from(container: InputContainer, audio: AudioStream, begin_s: Fraction) -> Iterator[AudioFrame | None]:
    """Frames from `begin_s` or a little before, None for each damaged packet."""
    assert audio.time_base is not None
    for preroll_s in _PREROLLS_S:
        target = int((begin_s - Fraction(preroll_s)) / audio.time_base)
        if target <= (audio.start_time or 0):
            break
        try:
            container.seek(target, stream=audio)
        except FFmpegError:
            break  # no index: from the beginning then
        frames = _decoded(container, audio)
        first = next((frame for frame in frames if frame is not None and frame.pts is not None), None)
        if first is not None and first.pts is not None and first.pts * audio.time_base <= begin_s:
            yield first
            yield from frames
            return
    try:
        container.seek(0)
    except FFmpegError:
        yield None  # damaged, and it cannot go back: what comes from here on still has its time
    yield from _decoded(container, audio)


def _decoded(container: InputContainer, audio: AudioStream) -> Iterator[AudioFrame | None]:
    try:
        for packet in container.demux(audio):
            try:
                yield from (frame for frame in packet.decode() if isinstance(frame, AudioFrame))
            except MediaEOFError:
                return
            except FFmpegError:
                yield None
    except FFmpegError:
        yield None


def _resampled(samples: npt.NDArray[np.float32], rate_hz: int) -> npt.NDArray[np.float32]:
    if rate_hz == RATE_HZ:
        return samples
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
    frame.sample_rate = rate_hz
    frame.pts = 0
    resampler = AudioResampler("fltp", "stereo", RATE_HZ)
    parts = [part.to_ndarray() for part in (*resampler.resample(frame), *resampler.resample(None))]
    return np.asarray(np.concatenate(parts, axis=1), dtype=np.float32)
