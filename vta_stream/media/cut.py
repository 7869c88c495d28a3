"""Exact cuts: a span decoded again, encoded with constant settings, and compared with what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from av.container.input import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vta_stream.domain.clip import Cut, Span
from vta_stream.media.clock import Damage, Timeline, decoded_frames
from vta_stream.media.decode import use_threads
from vta_stream.media.encode import write_clip
from vta_stream.media.opening import limit_picture, open_media, pick_video
from vta_stream.media.plan import CutPlan, plan_cut
from vta_stream.media.sound import SoundError, sound_of
from vta_stream.media.verify import CutError, verify
from vta_stream.ports import DISK_FULL
from vta_stream.settings.work import SegmentSettings

_SEEK_MARGINS_S = (0, 3, 30)


def cut(path: Path, timeline: Timeline, asked: Span, target: Path, settings: SegmentSettings) -> Cut:
    """Write `asked` of the video at `path` to the mp4 file `target`, and read that back.

    Video: H.264, 8 bit 4:2:0, constant rate, a key frame every 2 s, turned upright, square pixels, even
    sizes. Ten bits are rounded to eight; HDR keeps its transfer function and its tags, it is not tone-mapped.
    Audio: AAC, 48 kHz stereo, to the sample; none if the source has none. The same input gives the same
    bytes. Raises CutError `frames_missing`, `sound_damaged`, `encoder` or one of `verify`; what was written
    by then stays in `target`. An FFmpegError of a full disk passes through.
    """
    plan = plan_cut(timeline, asked)
    try:
        sound = sound_of(path, timeline.origin, plan.start_s, plan.duration_s)
    except SoundError as error:
        raise CutError("sound_damaged", str(error)) from error
    with open_media(path) as container:
        video = pick_video(container)
        limit_picture(video)
        use_threads(video)
        try:
            pictures = _planned(container, video, timeline, plan)
            write_clip(target, plan.rate, pictures, video.sample_aspect_ratio, sound, settings)
        except FFmpegError as error:
            if error.errno in DISK_FULL:
                raise
            raise CutError("encoder", f"writing the clip failed: {error}") from error
    return verify(target, plan, timeline.interval_s, has_sound=sound is not None)


def _planned(container: InputContainer, video: VideoStream, timeline: Timeline, plan: CutPlan) -> Iterator[VideoFrame]:
    """The source frame of each frame of the clip, in order; the same one again where it is repeated."""
    number = 0
    for stamp, frame in _frames_from(container, video, timeline.origin, float(plan.sources_s[0])):
        time_s = float(stamp - timeline.origin)
        if time_s > plan.sources_s[number]:
            break
        while number < plan.frame_count and plan.sources_s[number] == time_s:
            yield frame
            number += 1
        if number == plan.frame_count:
            return
    raise CutError(
        "frames_missing",
        f"the frame at {plan.sources_s[number]:.3f} s was decoded once, but not again for the cut",
    )


def _frames_from(
    container: InputContainer, video: VideoStream, origin: Fraction, start_s: float
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Frames from `start_s` or before, decoded from the key frame before it."""
    assert video.time_base is not None
    for margin_s in _SEEK_MARGINS_S:
        if start_s <= margin_s:
            break
        try:
            container.seek(int((origin + Fraction(start_s) - margin_s) / video.time_base), stream=video)
        except FFmpegError:
            break  # no index: from the beginning then
        frames = decoded_frames(container, video, Damage())
        first = next(frames, None)
        # Some containers seek by decoding times or by guessing, and land after the instant.
        if first is not None and float(first[0] - origin) <= start_s:
            yield first
            yield from frames
            return
    with suppress(FFmpegError):  # it cannot go back: what comes from here on still has its time
        container.seek(0)
    yield from decoded_frames(container, video, Damage())
