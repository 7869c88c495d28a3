"""Very short videos of coloured shapes, with subtitles that say what is to be seen, for tests that need many quickly.

A fifth as many pixels and a third as long as those of `vta_stream.toyworld.world`, and nobody speaks. Half of them
have a defect, one kind a video, so that filters have something to refuse.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

WIDTH_PX, HEIGHT_PX = 320, 180
FPS = 15
AUDIO_RATE_HZ = 16_000
SCENE_S = 5.0

Defect = Literal["none", "static", "dark", "blurred", "no_speech", "rushed"]
DEFECTS: tuple[Defect, ...] = ("none", "static", "dark", "blurred", "no_speech", "rushed")

COLOURS = {
    "red": (214, 40, 40),
    "green": (42, 157, 72),
    "blue": (38, 84, 214),
    "yellow": (240, 200, 40),
    "purple": (130, 60, 180),
    "white": (240, 240, 240),
}
SHAPES = ("circle", "square", "triangle")
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}


@dataclass(frozen=True, slots=True)
class Scene:
    """One shot: a shape of `size_px` that starts at `start_px` and moves by `speed_px_per_s`."""

    shape: str
    colour: str
    direction: str
    size_px: int
    start_px: tuple[int, int]
    speed_px_per_s: float
    background: tuple[int, int, int]
    sentence: str


@dataclass(frozen=True, slots=True)
class ToyVideo:
    """What was made: the file, the planted defect, and the truth of each scene in order."""

    path: Path
    defect: Defect
    scenes: tuple[Scene, ...]


def make_videos(folder: Path, count: int, seed: int = 0, scenes_per_video: int = 4) -> tuple[ToyVideo, ...]:
    """Write `count` videos and their subtitles into `folder`: 320x180 at 15 fps, H.264 and AAC.

    Half of them are without defect; the other half takes the defects in turn. The same seed draws the
    same pictures. Subtitles lie beside the video as `NAME.en.vtt`, but for the defect `no_speech`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for number in range(count):
        defect = "none" if number % 2 == 0 else DEFECTS[1 + (number // 2) % (len(DEFECTS) - 1)]
        rng = random.Random(f"{seed}/{number}")
        scenes = tuple(_scene(rng, defect) for _ in range(scenes_per_video))
        path = folder / f"toy_{seed:02d}_{number:03d}.mp4"
        _write_video(path, scenes, defect, rng)
        if defect != "no_speech":
            path.with_suffix(".en.vtt").write_text(_subtitles(scenes), encoding="utf-8")
        videos.append(ToyVideo(path, defect, scenes))
    return tuple(videos)


def _scene(rng: random.Random, defect: Defect) -> Scene:
    shape, colour, direction = rng.choice(SHAPES), rng.choice(list(COLOURS)), rng.choice(list(DIRECTIONS))
    sentence = f"A {colour} {shape} moves {direction} across the picture."
    if defect == "rushed":
        sentence = " ".join([sentence] * 6)
    return Scene(
        shape=shape,
        colour=colour,
        direction=direction,
        size_px=rng.randint(50, 80),
        start_px=_start(direction, rng),
        speed_px_per_s=0.0 if defect == "static" else rng.uniform(30, 40),
        background=(rng.randint(20, 110), rng.randint(20, 110), rng.randint(20, 110)),
        sentence=sentence,
    )


def _start(direction: str, rng: random.Random) -> tuple[int, int]:
    """Near the side that it leaves, so that it stays in the picture."""
    step_x, step_y = DIRECTIONS[direction]
    middle_x, middle_y = WIDTH_PX // 2, HEIGHT_PX // 2
    return (
        middle_x - step_x * middle_x // 2 + rng.randint(-25, 25),
        middle_y - step_y * middle_y // 2 + rng.randint(-15, 15),
    )


def _subtitles(scenes: Sequence[Scene]) -> str:
    cues = []
    for number, scene in enumerate(scenes):
        start_s = number * SCENE_S
        cues.append(f"{_clock(start_s + 0.6)} --> {_clock(start_s + SCENE_S - 0.8)}\n{scene.sentence}\n")
    return "WEBVTT\n\n" + "\n".join(cues)


def _clock(seconds: float) -> str:
    return f"00:{int(seconds // 60):02d}:{seconds % 60:06.3f}"


def _frames(scenes: Sequence[Scene], defect: Defect, rng: random.Random) -> Iterator[Image.Image]:
    for scene in scenes:
        backdrop = _backdrop(scene, rng)
        for index in range(round(SCENE_S * FPS)):
            picture = backdrop.copy()
            _draw(picture, scene, index / FPS)
            if defect == "dark":
                picture = picture.point([value // 16 for value in range(256)] * 3)
            if defect == "blurred":
                picture = picture.filter(ImageFilter.GaussianBlur(9))
            yield picture


def _backdrop(scene: Scene, rng: random.Random) -> Image.Image:
    noise = np.random.default_rng(rng.randrange(2**32)).integers(-14, 15, (HEIGHT_PX // 4, WIDTH_PX // 4, 1))
    grain = np.kron(noise, np.ones((4, 4, 1)))
    slope = np.linspace(0, 60, WIDTH_PX)[None, :, None]
    return Image.fromarray(np.clip(np.array(scene.background) + grain + slope, 0, 255).astype(np.uint8), "RGB")


def _draw(picture: Image.Image, scene: Scene, time_s: float) -> None:
    step_x, step_y = DIRECTIONS[scene.direction]
    x = scene.start_px[0] + step_x * scene.speed_px_per_s * time_s
    y = scene.start_px[1] + step_y * scene.speed_px_per_s * time_s
    half = scene.size_px / 2
    pen, colour = ImageDraw.Draw(picture), COLOURS[scene.colour]
    match scene.shape:
        case "circle":
            pen.ellipse((x - half, y - half, x + half, y + half), fill=colour)
        case "square":
            pen.rectangle((x - half, y - half, x + half, y + half), fill=colour)
        case _:
            pen.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill=colour)


def _write_video(path: Path, scenes: Sequence[Scene], defect: Defect, rng: random.Random) -> None:
    import av

    with av.open(str(path), "w") as container:
        video: VideoStream = container.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        audio: AudioStream = container.add_stream("aac", rate=AUDIO_RATE_HZ, layout="mono")
        for picture in _frames(scenes, defect, rng):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(video.encode())
        _write_tone(container, audio, len(scenes) * SCENE_S, rng.uniform(180, 320))


def _write_tone(container: OutputContainer, stream: AudioStream, duration_s: float, pitch_hz: float) -> None:
    """A soft tone: the toy videos have sound, and nobody speaks in it."""
    import av

    times_s = np.arange(round(duration_s * AUDIO_RATE_HZ)) / AUDIO_RATE_HZ
    wave = (3000 * np.sin(2 * np.pi * pitch_hz * times_s)).astype(np.int16)
    for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE_HZ, start, Fraction(1, AUDIO_RATE_HZ)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
