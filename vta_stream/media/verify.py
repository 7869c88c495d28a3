"""Reading a written clip back: what was asked against what is there."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container.input import InputContainer
from av.error import FFmpegError

from vta_stream.domain.clip import Cut, Span
from vta_stream.media.clock import Damage, decoded_frames
from vta_stream.media.opening import open_media, pick_audio, pick_video
from vta_stream.media.plan import ROUNDING_S, CutPlan
from vta_stream.media.probe import rotation_of
from vta_stream.ports import StageError


class CutError(Exception):
    """A clip could not be cut as asked. `reason` is a short slug, the text says what was found."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Written:
    """A clip file as decoding it shows it. Times are the file's own, in seconds."""

    frame_count: int
    first_pts_s: float
    last_pts_s: float
    rotation_deg: int
    audio_start_s: float | None
    audio_end_s: float | None


def verify(path: Path, plan: CutPlan, interval_s: float, *, has_sound: bool) -> Cut:
    """What was asked and what is in the file at `path`, which was written by `plan`.

    `interval_s` is the source's usual time between frames. Raises CutError: `unreadable`, `frame_count`,
    `late_start`, `borders` (more than one frame off at either end), `sound_lost`, `audio_offset` (more than
    one frame), `audio_length` (more than one frame and one AAC frame), `rotated`.
    """
    try:
        with open_media(path) as container:
            written = inspect(container)
    except (StageError, FFmpegError) as error:
        raise CutError("unreadable", f"the written clip cannot be read: {error}") from error
    frame_s = max(float(1 / plan.rate), interval_s)
    got = Span(plan.start_s, plan.start_s + written.last_pts_s + float(1 / plan.rate))
    offset_s = None if written.audio_start_s is None else written.audio_start_s - written.first_pts_s
    _expect(
        "frame_count", written.frame_count == plan.frame_count, f"{written.frame_count} of {plan.frame_count} frames"
    )
    _expect("late_start", abs(written.first_pts_s) <= ROUNDING_S, f"the first frame is at {written.first_pts_s} s")
    _expect("rotated", written.rotation_deg == 0, f"the clip is turned by {written.rotation_deg} degrees")
    off_s = max(abs(got.start_s - plan.asked.start_s), abs(got.end_s - plan.asked.end_s))
    _expect("borders", off_s <= frame_s + ROUNDING_S, f"asked for {plan.asked}, got {got}")
    _expect("sound_lost", has_sound == (offset_s is not None), "the source's sound is not in the clip")
    if offset_s is not None and written.audio_end_s is not None:
        _expect("audio_offset", abs(offset_s) <= frame_s, f"sound begins {offset_s} s after the picture")
        length_off_s = abs(written.audio_end_s - plan.duration_s)
        _expect("audio_length", length_off_s <= frame_s + 1024 / 48_000, f"sound ends at {written.audio_end_s} s")
    return Cut(plan.asked, got, written.frame_count, written.first_pts_s, offset_s)


def inspect(container: InputContainer) -> Written:
    """Decode a clip from end to end. CutError `unreadable` if there is no picture or something is damaged."""
    video = pick_video(container)
    # Only counts and times matter: without the loop filter it is decoded in two thirds of the time.
    video.codec_context.options = {"skip_loop_filter": "all"}
    damage = Damage()
    stamps: list[Fraction] = []
    rotation_deg = 0
    for stamp, frame in decoded_frames(container, video, damage):
        rotation_deg = rotation_deg or rotation_of(frame)
        stamps.append(stamp)
    if damage or not stamps:
        raise CutError("unreadable", f"of the written clip {len(stamps)} frames were decoded: {damage}")
    audio = pick_audio(container, video)
    start_s: float | None = None
    end_s: float | None = None
    if audio is not None and audio.time_base is not None:
        container.seek(0)
        for sound in container.decode(audio):
            if sound.pts is None:
                raise CutError("unreadable", "the written clip's sound has no timestamps")
            begin_s = float(sound.pts * audio.time_base)
            start_s = begin_s if start_s is None else start_s
            end_s = begin_s + sound.samples / sound.sample_rate
    return Written(len(stamps), float(stamps[0]), float(stamps[-1]), rotation_deg, start_s, end_s)


def _expect(reason: str, held: bool, found: str) -> None:
    if not held:
        raise CutError(reason, found)
