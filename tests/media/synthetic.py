"""Videos made for one test: every picture says its number, and sound says when it is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

BITS = 12
WIDTH, HEIGHT = BITS * 16, 64
MS = Fraction(1, 1000)


def numbered(number: int) -> npt.NDArray[np.uint8]:
    """A picture (64, 192, 3) whose columns are the bits of `number`, the lowest bit at the left."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, dtype=np.uint8) * 220 + 16, 16)
    return np.repeat(np.tile(row, (HEIGHT, 1))[:, :, None], 3, axis=2)


def number_of(picture: npt.NDArray[np.uint8]) -> int:
    """The number that a picture says; scaled pictures too."""
    height, width = picture.shape[:2]
    columns = [picture[height // 4 : -height // 4, int(width * (bit + 0.5) / BITS)].mean() for bit in range(BITS)]
    return sum(int(value > 127) << bit for bit, value in enumerate(columns))


def write_video(
    path: Path,
    pictures: Sequence[npt.NDArray[np.uint8]],
    times: Sequence[Fraction],
    *,
    time_base: Fraction = Fraction(1, 90_000),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound: npt.NDArray[np.float32] | None = None,
    rate_hz: int = 44_100,
    gop: int = 37,
    rotation_deg: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write pictures at `times` (seconds) and sound (channels, n). B-frames and a long GOP, as in real files.

    `rotation_deg` goes into the display matrix: degrees clockwise by which players turn the picture.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=30)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = pixel_format
        video.codec_context.time_base = time_base
        video.codec_context.gop_size = gop
        video.codec_context.options = {"crf": "18", **(options or {})}
        if rotation_deg:
            video.set_display_rotation(-rotation_deg)
        audio = None
        if sound is not None:
            layout = "mono" if sound.shape[0] == 1 else "stereo"
            audio = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=rate_hz, layout=layout)
        sent = 0
        for picture, time in zip(pictures, times, strict=True):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(time / time_base), time_base
            container.mux(video.encode(frame))
            while audio is not None and sound is not None and sent < min(sound.shape[1], float(time) * rate_hz + 1):
                sent = _send(container, audio, sound, sent, rate_hz)
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            while sent < sound.shape[1]:
                sent = _send(container, audio, sound, sent, rate_hz)
            container.mux(audio.encode(None))
    return path


def _send(
    container: av.container.OutputContainer,
    audio: av.AudioStream,
    sound: npt.NDArray[np.float32],
    sent: int,
    rate_hz: int,
) -> int:
    part = np.ascontiguousarray(sound[:, sent : sent + 960])
    frame = AudioFrame.from_ndarray(part, format="fltp", layout="mono" if sound.shape[0] == 1 else "stereo")
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, sent, Fraction(1, rate_hz)
    container.mux(audio.encode(frame))
    return sent + part.shape[1]


def counting(path: Path, count: int, rate: Fraction, first: int = 0, **more: object) -> Path:
    """A video of constant rate whose frame k says `first` + k."""
    pictures = [numbered(first + number) for number in range(count)]
    return write_video(path, pictures, [number / rate for number in range(count)], **more)  # type: ignore[arg-type]


def read_video(path: Path) -> tuple[list[float], list[npt.NDArray[np.uint8]]]:
    """Times in seconds and RGB pictures of all frames."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [float(frame.time) for frame in frames], [frame.to_ndarray(format="rgb24") for frame in frames]


def read_sound(path: Path) -> tuple[float, npt.NDArray[np.float32]]:
    """The first sample's time, and samples (channels, n)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    return float(frames[0].time), np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def beeps(starts_s: Sequence[float], duration_s: float, rate_hz: int = 44_100) -> npt.NDArray[np.float32]:
    """Silence (1, n) with 50 ms of a loud 1 kHz tone from each of `starts_s`."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    loud = np.zeros_like(time_s)
    for start_s in starts_s:
        loud[(time_s >= start_s) & (time_s < start_s + 0.05)] = 0.8
    return (loud * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)[None]


def onset_s(sound: npt.NDArray[np.float32], rate_hz: int, after_s: float = 0.0) -> float:
    """The time of the first loud sample from `after_s` on."""
    begin = round(after_s * rate_hz)
    return float(begin + np.argmax(np.abs(sound[0, begin:]) > 0.2)) / rate_hz
