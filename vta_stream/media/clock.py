"""The clock of a video: seconds from its first frame, by presentation timestamps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt
from av.container.input import InputContainer
from av.error import EOFError as MediaEOFError
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

NICE_RATES = tuple(
    Fraction(rate)
    for rate in ("10", "12", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)
RATE_MIN, RATE_MAX = Fraction(1), Fraction(60)
_NICE_TOLERANCE = 0.0004
"""30 and 29.97 are 0.1 % apart; timestamps in whole milliseconds err by far less on average."""

TIME_MAX_S = 100_000.0
"""A day and a bit. A timestamp beyond it is a lie, and clip IDs end at 1,000,000 s."""


@dataclass(slots=True)
class Damage:
    """What decoding had to leave out or could not trust; counts."""

    packets: int = 0
    frames: int = 0
    unordered: int = 0
    broke_off: str | None = None

    def __bool__(self) -> bool:
        return bool(self.packets or self.frames or self.unordered or self.broke_off)


def decoded_frames(
    container: InputContainer, video: VideoStream, damage: Damage
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Frames in presentation order with their timestamps in seconds of the container, strictly ascending.

    A frame whose timestamp is missing or not after the one before is left out and counted; so are packets
    that do not decode. Where reading breaks off, the frames end, and `damage` says so.
    """
    assert video.time_base is not None
    last: int | None = None
    for frame in _frames(container, video, damage):
        # Some containers (AVI) store decoding times only; the decoder passes them on.
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None or (last is not None and stamp <= last):
            damage.unordered += 1
            continue
        last = stamp
        damage.frames += frame.is_corrupt
        yield stamp * video.time_base, frame


def _frames(container: InputContainer, video: VideoStream, damage: Damage) -> Iterator[VideoFrame]:
    try:
        for packet in container.demux(video):
            try:
                yield from (frame for frame in packet.decode() if isinstance(frame, VideoFrame))
            except MediaEOFError:
                return
            except FFmpegError:
                damage.packets += 1
    except FFmpegError as error:
        damage.broke_off = error.strerror or str(error)


@dataclass(frozen=True)
class Timeline:
    """When each frame of a video is shown, in seconds from its first frame.

    `origin` is the first frame's timestamp in the container, in seconds. Needs at least one frame.
    """

    origin: Fraction
    times_s: npt.NDArray[np.float64]
    nominal_rate: Fraction | None = None

    @cached_property
    def interval_s(self) -> float:
        """The usual time between two frames: the mean of the intervals that are like the median one.

        The median alone is wrong where the container rounds to milliseconds (33, 33, 34); the mean of all is
        wrong where the picture stands still for a while.
        """
        intervals = np.diff(self.times_s)
        if not len(intervals):
            return float(1 / (self.nominal_rate or Fraction(25)))
        # One of them, always: between two that differ much lies nothing that is like either.
        median = np.sort(intervals)[(len(intervals) - 1) // 2]
        return float(intervals[np.abs(intervals - median) <= max(0.2 * median, 0.001)].mean())

    @property
    def end_s(self) -> float:
        """When the last frame ends: it is shown as long as is usual."""
        return float(self.times_s[-1]) + self.interval_s

    @cached_property
    def rate(self) -> Fraction:
        """Frames per second of a constant-rate copy: the usual rate, rounded to a common one, from 1 to 60."""
        measured = 1 / self.interval_s
        nice = min(NICE_RATES, key=lambda rate: abs(measured / float(rate) - 1))
        if abs(measured / float(nice) - 1) <= _NICE_TOLERANCE:
            return nice
        return min(max(Fraction(measured).limit_denominator(1000), RATE_MIN), RATE_MAX)
