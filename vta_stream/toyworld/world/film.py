"""A planned video as a file: 640x360 H.264 at a constant rate, and AAC, both from the very first sample on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vta_stream.toyworld.world.picture import render
from vta_stream.toyworld.world.plan import Plan
from vta_stream.toyworld.world.scene import HEIGHT_PX, WIDTH_PX
from vta_stream.toyworld.world.sound import Samples
from vta_stream.toyworld.world.speech import RATE_HZ
from vta_stream.toyworld.world.truth import SentenceTruth, ShotTruth, Transition

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

Look = Callable[[Image.Image, int], Image.Image]
"""Something done to a picture that shows the shot of this index (the next one during a transition)."""

AUDIO_BIT_RATE = 24_000
CRF = 29
_PACKET = 1024  # samples


def pictures(plan: Plan, look: Look | None = None) -> Iterator[Image.Image]:
    """Every frame of a plan in order, with dissolves and fades."""
    index = 0
    for frame in range(plan.frame_count):
        while index + 1 < len(plan.shots) and frame >= _frame(plan.shots[index].end_s, plan.fps):
            index += 1
        picture = _picture(plan, index, frame)
        yield look(picture, index) if look else picture


def write_film(
    path: Path,
    frames: Iterable[Image.Image],
    sound: Samples,
    fps: int,
    *,
    crf: int = CRF,
    index_first: bool = True,
) -> None:
    """Write frames and sound. Frame n is shown from n / `fps` on, and sample n heard at n / 16,000 s.

    `index_first`: the file's index comes before its media, as sites write it. The same input is the same bytes with the
    same libraries, since everything is encoded on one thread.
    """
    import av

    container_options = {"movflags": "+faststart"} if index_first else {}
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact", **container_options}) as container:
        options = {"crf": str(crf), "preset": "medium", "threads": "1", "g": "250"}
        video: VideoStream = container.add_stream("libx264", rate=fps, options=options)
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        audio: AudioStream = container.add_stream("aac", rate=RATE_HZ, layout="mono", bit_rate=AUDIO_BIT_RATE)
        heard = 0
        for number, picture in enumerate(frames):
            image = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            image.pts, image.time_base = number, Fraction(1, fps)
            container.mux(video.encode(image))
            while heard < min(len(sound), (number + 1) * RATE_HZ // fps):
                container.mux(audio.encode(_sound_frame(sound, heard)))
                heard += _PACKET
        for first in range(heard, len(sound), _PACKET):
            container.mux(audio.encode(_sound_frame(sound, first)))
        container.mux(video.encode())
        container.mux(audio.encode())


def write_subtitles(path: Path, sentences: Iterable[SentenceTruth]) -> None:
    """A WebVTT file with one cue a sentence, at its very times."""
    cues = [f"{_clock(one.start_s)} --> {_clock(one.end_s)}\n{one.text}\n" for one in sentences]
    path.write_text("\n".join(["WEBVTT\n", *cues]), encoding="utf-8")


def _picture(plan: Plan, index: int, frame: int) -> Image.Image:
    shot, time_s = plan.shots[index], frame / plan.fps
    picture = _scene_at(shot, time_s)
    first = _frame(shot.start_s, plan.fps)
    if frame >= first:
        return picture
    before = plan.shots[index - 1]
    begin = _frame(before.end_s, plan.fps)
    part = (frame - begin + 1) / (first - begin + 1)  # neither shot alone, at the first frame as at the last
    if shot.transition is Transition.DISSOLVE:
        return Image.blend(_scene_at(before, time_s), picture, part)
    black = Image.new("RGB", picture.size)
    if part < 0.5:
        return Image.blend(_scene_at(before, time_s), black, 2 * part)
    return Image.blend(black, picture, 2 * part - 1)


def _scene_at(shot: ShotTruth, time_s: float) -> Image.Image:
    return render(shot.scene, time_s - shot.scene_start_s)


def _frame(time_s: float, fps: int) -> int:
    return round(time_s * fps)


def _sound_frame(sound: Samples, first: int) -> AudioFrame:
    import av

    part = np.ascontiguousarray(sound[None, first : first + _PACKET])
    frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, first, Fraction(1, RATE_HZ)
    return frame


def _clock(seconds: float) -> str:
    minutes, rest_ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest_ms // 1000:02d}.{rest_ms % 1000:03d}"
