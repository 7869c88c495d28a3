"""What is to be heard and read in foreign media, for the transcribe stage."""

from __future__ import annotations

import logging
import wave
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.children import ChildPool
from vta_stream.domain.transcript import Cue
from vta_stream.domain.video import Subtitle
from vta_stream.media.subtitles import read_subtitle
from vta_stream.ports import TerminalError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

log = logging.getLogger(__name__)

RATE_HZ = 16_000
"""What Whisper hears."""

_AUDIO_MAX_S = 8 * 3600
"""Twice the longest video that is taken by default; what comes after is a lie or not worth the disk (115 MB/h)."""
_GAP_MAX_S = 600
"""Timestamps that jump further than this ahead are taken for a lie: the sound goes on without the gap."""
_ADJACENT_S = 0.05
"""Timestamps that are off by less are rounding; samples stay adjacent."""

_SUBTITLE_DEADLINE_S = 300.0
_AUDIO_DEADLINE_S = 300.0
_AUDIO_DEADLINE_FACTOR = 0.5
"""Sound decodes at some hundred times real time; half of it is a machine in great trouble."""


class SpeechReader:
    """Reads subtitles and sound in child processes, since foreign media may hang or crash a decoder."""

    def __init__(self, children: ChildPool) -> None:
        self._children = children

    async def subtitle(
        self, media: Path, subtitle: Subtitle, path: Path | None, duration_s: float | None
    ) -> tuple[Cue, ...]:
        """As `read_subtitle`, of which only the base class TerminalError comes back."""
        return await self._children.run(
            read_subtitle, media, subtitle, path, duration_s, deadline_s=_SUBTITLE_DEADLINE_S
        )

    async def audio(self, media: Path, target: Path, duration_s: float | None) -> float | None:
        """As `extract_audio`."""
        deadline_s = _AUDIO_DEADLINE_S + _AUDIO_DEADLINE_FACTOR * (duration_s or _AUDIO_MAX_S)
        return await self._children.run(extract_audio, media, target, deadline_s=deadline_s)

    async def close(self) -> None:
        """End the children."""
        await self._children.close()


def extract_audio(media: Path, target: Path) -> float | None:
    """Write the video's sound to `target` as 16 kHz mono 16-bit WAV; seconds written, None without sound.

    Sample n is heard n / 16,000 s after the first video frame: sound that starts later is preceded by silence,
    what comes before the picture is left out, gaps are silent. Damaged packets are skipped. Streams to the
    disk, so memory stays small. Raises what `open_media` and `pick_video` do, and TerminalError
    `audio_undecodable` if there is a stream and nothing of it decodes.
    """
    from av.error import EOFError as MediaEOFError
    from av.error import FFmpegError

    from vta_stream.media.opening import open_media, pick_audio, pick_video

    damaged = 0
    with open_media(media) as container:
        video = pick_video(container)
        audio = pick_audio(container, video)
        if audio is None:
            return None
        origin_s = float(video.start_time * video.time_base) if video.start_time and video.time_base else 0.0
        with wave.open(str(target), "wb") as file:
            track = _Track(file, origin_s)
            try:
                for packet in container.demux(audio):
                    try:
                        for frame in packet.decode():
                            track.put(frame)
                    except MediaEOFError:
                        break
                    except FFmpegError:
                        damaged += 1
                    if track.full:
                        log.warning("%s: sound after %d s is left out", media.name, _AUDIO_MAX_S)
                        break
            except FFmpegError as error:
                damaged += 1
                log.warning("%s: reading the sound broke off: %s", media.name, error.strerror)
            track.finish()
    if damaged:
        log.warning("%s: %d damaged packets of sound were skipped", media.name, damaged)
    if track.decoded == 0 and damaged == 0:
        return None  # an empty track: there is nothing to hear
    if track.decoded == 0:
        raise TerminalError("audio_undecodable", "the video has a sound stream, and nothing of it can be decoded")
    return track.written / RATE_HZ


class _Track:
    """A WAV file in which every sample lies at its time."""

    def __init__(self, file: wave.Wave_write, origin_s: float) -> None:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        self._file = file
        self._origin_s = origin_s
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._skip = 0
        self._expected_s: float | None = None
        self.written = 0
        self.decoded = 0

    @property
    def full(self) -> bool:
        """True if no more sound is taken."""
        return self.written >= _AUDIO_MAX_S * RATE_HZ

    def put(self, frame: AudioFrame) -> None:
        """Append a frame, with silence before it if its time says so, or without its start."""
        from av.audio.resampler import AudioResampler

        if not frame.sample_rate or not frame.samples:
            return
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        start_s = self._start_s(frame)
        jump = self._expected_s is None or abs(start_s - self._expected_s) > _ADJACENT_S
        if jump or kind != self._kind or self._resampler is None:
            # What the resampler still holds belongs before the gap.
            self.finish()
            self._resampler, self._kind = AudioResampler("s16", "mono", RATE_HZ), kind
            if jump:
                self._move_to(round(start_s * RATE_HZ))
        self._expected_s = start_s + frame.samples / frame.sample_rate
        self.decoded += 1
        frame.pts = None  # the resampler would fill gaps by its own rules
        for part in self._resampler.resample(frame):
            self._write(part)

    def finish(self) -> None:
        """Write what the resampler holds back."""
        if self._resampler is not None:
            for part in self._resampler.resample(None):
                self._write(part)
            self._resampler = None

    def _start_s(self, frame: AudioFrame) -> float:
        expected_s = self._expected_s if self._expected_s is not None else 0.0
        if frame.pts is None or frame.time_base is None:
            return expected_s
        stated_s = float(frame.pts * frame.time_base) - self._origin_s
        return stated_s if stated_s - expected_s <= _GAP_MAX_S else expected_s

    def _move_to(self, position: int) -> None:
        silent = min(position, _AUDIO_MAX_S * RATE_HZ) - self.written
        self._skip = max(0, -silent)
        while silent > 0:
            self._file.writeframesraw(bytes(2 * min(silent, RATE_HZ)))
            self.written += min(silent, RATE_HZ)
            silent -= RATE_HZ

    def _write(self, part: AudioFrame) -> None:
        data = bytes(part.planes[0])[: 2 * part.samples]
        skipped = min(self._skip, part.samples)
        self._skip -= skipped
        self._file.writeframesraw(data[2 * skipped :])
        self.written += part.samples - skipped
