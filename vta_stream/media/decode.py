"""The one decode pass: every frame once, for shots, motion, times and sampled frames."""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vta_stream.domain.clip import Span
from vta_stream.media.candidates import FrameSpool
from vta_stream.media.clock import TIME_MAX_S, Damage, Timeline, decoded_frames
from vta_stream.media.opening import limit_picture, open_media, pick_video
from vta_stream.media.probe import displayed_size, rotation_of
from vta_stream.media.shots import CutDetector, shots_between
from vta_stream.media.shrink import Downscaler, Shrinker
from vta_stream.ports import TerminalError
from vta_stream.settings.work import SegmentSettings

LOGGER = logging.getLogger(__name__)

JPEG_QUALITY = 95
THREADS_MAX = 4

_CLOCKWISE = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class DecodePass:
    """What one pass over all frames found. Believe this, not the header.

    `luma_changes[i]` is the mean absolute difference of luma of frame i to the frame before, in levels of
    255. `cuts` are the numbers of the frames that begin something new: more than there are shots, as a shot
    has a least length.
    """

    timeline: Timeline
    luma_changes: npt.NDArray[np.float32]
    cuts: tuple[int, ...]
    shots: tuple[Span, ...]
    damage: Damage

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame's start to the last one's end."""
        return self.timeline.end_s

    @property
    def frame_count(self) -> int:
        """Frames decoded."""
        return len(self.luma_changes)

    def motion(self, span: Span) -> float:
        """How much the picture changes, in luma levels of 255 per second, cuts left out.

        0 is a still picture; a talking head has 5 to 20, a pan or an action scene 50 and more. Sums the
        changes from frame to frame, so it hardly depends on the frame rate. 0.0 for a single frame.
        """
        first, end = self._frames(span)
        changes = self.luma_changes[first + 1 : end].astype(np.float64)
        seconds = np.diff(self.timeline.times_s[first:end])
        smooth = ~np.isin(np.arange(first + 1, end), self.cuts)
        covered_s = float(seconds[smooth].sum())
        return float(changes[smooth].sum()) / covered_s if covered_s else 0.0

    def purity(self, span: Span) -> float:
        """Share of `span`, 0.0 to 1.0, inside its longest stretch without a cut.

        Counts every cut that the detectors found, also those too close together to make shots; so flashes
        and quick montage inside one shot lower it.
        """
        times_s = self.timeline.times_s[list(self.cuts)]
        inside = times_s[(times_s > span.start_s + 0.0005) & (times_s < span.end_s - 0.0005)]
        return float(np.diff(np.concatenate([[span.start_s], inside, [span.end_s]])).max()) / span.duration_s

    def _frames(self, span: Span) -> tuple[int, int]:
        first, end = np.searchsorted(self.timeline.times_s, [span.start_s - 0.0005, span.end_s - 0.0005])
        return int(first), int(end)


def decode_pass(path: Path, spool: FrameSpool, settings: SegmentSettings) -> DecodePass:
    """Decode the video of a local file once; frames for sampling go to `spool`.

    Memory is bounded: about 20 bytes a frame, whatever the length. Damaged packets are left out and counted.
    TerminalError as `open_media` and `pick_video` raise, `no_frames` if nothing can be decoded, `damaged`
    if timestamps run beyond a day.
    """
    cv2.setNumThreads(1)  # its pictures are too small here to be worth sharing out
    with open_media(path) as container:
        video = pick_video(container)
        limit_picture(video)
        use_threads(video)
        detector = CutDetector(settings.shot_threshold)
        damage = Damage()
        origin, times_s = _run(container, video, damage, detector.feed, _Sampler(video, spool, settings).feed)
        nominal_rate = video.average_rate
    if origin is None:
        raise TerminalError("no_frames", "the header promises a video, but no picture could be decoded")
    if damage:
        LOGGER.warning("%s is damaged: %s", path.name, damage)
    timeline = Timeline(origin, np.frombuffer(times_s, dtype=np.float64), nominal_rate)
    cuts = tuple(detector.cuts())
    return DecodePass(
        timeline,
        np.frombuffer(detector.luma_changes, dtype=np.float32),
        cuts,
        shots_between([times_s[index] for index in cuts], timeline.end_s, settings.min_shot_s),
        damage,
    )


def use_threads(video: VideoStream) -> None:
    """Decode on the processors that this process may use; more than four threads bring little and cost memory.

    One thread more than processors, as ffmpeg has it: some wait for others' rows, and the caller for all.
    """
    video.thread_type = "AUTO"
    video.codec_context.thread_count = min(len(os.sched_getaffinity(0)) + 1, THREADS_MAX)


def _run(
    container: InputContainer,
    video: VideoStream,
    damage: Damage,
    detect: Callable[[npt.NDArray[np.uint8]], None],
    sample: Callable[[float, VideoFrame], None],
) -> tuple[Fraction | None, array[float]]:
    """The first frame's timestamp (None without frames) and each frame's time from it."""
    origin: Fraction | None = None
    times_s = array("d")
    small = Shrinker()
    for stamp, frame in decoded_frames(container, video, damage):
        if origin is None:
            origin = stamp
        time_s = float(stamp - origin)
        if time_s > TIME_MAX_S:
            raise TerminalError("damaged", f"timestamps run to {time_s:.0f} s, beyond {TIME_MAX_S:.0f} s")
        times_s.append(time_s)
        detect(small.shrink(frame))
        sample(time_s, frame)
    return origin, times_s


class _Sampler:
    """Puts frames into the spool, as they are displayed: upright, with square pixels, small."""

    def __init__(self, video: VideoStream, spool: FrameSpool, settings: SegmentSettings) -> None:
        self._aspect = video.sample_aspect_ratio
        self._spool = spool
        self._short_side_px = settings.frame_short_side_px
        self._downscaler = Downscaler()

    def feed(self, time_s: float, frame: VideoFrame) -> None:
        if not self._spool.wants(time_s):
            return
        width, height = displayed_size(frame.width, frame.height, self._aspect, 0)
        scale = min(1.0, self._short_side_px / min(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = self._downscaler.downscale(frame, size)
        rotation_deg = rotation_of(frame)
        if rotation_deg:
            picture = np.asarray(cv2.rotate(picture, _CLOCKWISE[rotation_deg]), dtype=np.uint8)
        written, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not written:
            raise ValueError(f"a frame of {picture.shape} could not be written as JPEG")
        self._spool.add(time_s, jpeg.tobytes())
