"""The same video uploaded once more: always encoded anew, and cropped, trimmed, mirrored, or marked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from vta_stream.toyworld.world.film import write_film
from vta_stream.toyworld.world.plan import Line, Plan
from vta_stream.toyworld.world.realm import realm_of
from vta_stream.toyworld.world.scene import HEIGHT_PX, WIDTH_PX, Group, Scene
from vta_stream.toyworld.world.sound import Samples
from vta_stream.toyworld.world.speech import RATE_HZ
from vta_stream.toyworld.world.truth import ShotTruth

_CRF = 33
_TRIM_S = 0.6, 2.5
_CROPS = 1.03, 1.06
_MIRRORED = {"left": "right", "right": "left"}
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Changes:
    """What the copy differs in. `first` and `end` are the frames of the original that it begins and ends with.

    `crop` is how much larger everything is, since the edges are cut off.
    """

    first: int
    end: int
    crop: float = 1.0
    mirrored: bool = False
    logo: bool = False

    def in_words(self, whole: int) -> tuple[str, ...]:
        """For the truth; `whole` is the original's number of frames."""
        words = ["re-encoded"]
        if self.end - self.first < whole:
            words.append("trimmed")
        if self.crop > 1:
            words.append(f"cropped to {1 / self.crop:.0%}")
        if self.mirrored:
            words.append("mirrored")
        if self.logo:
            words.append("logo added")
        return tuple(words)


def draw_changes(rng: random.Random, original: Plan) -> Changes:
    """Two or more changes. Mirrored is only what is of the original's realm in a mirror too."""
    whole = original.frame_count
    kinds = ["trimmed", "cropped", "logo"]
    if all(realm_of(mirrored(shot.scene).key()) == original.realm for shot in original.shots):
        kinds.append("mirrored")
    chosen = rng.sample(kinds, rng.randint(2, len(kinds)))
    cuts = [round(rng.uniform(*_TRIM_S) * original.fps) if "trimmed" in chosen else 0 for _ in range(2)]
    return Changes(
        first=cuts[0],
        end=whole - cuts[1],
        crop=round(rng.uniform(*_CROPS), 3) if "cropped" in chosen else 1.0,
        mirrored="mirrored" in chosen,
        logo="logo" in chosen,
    )


def changed(original: Plan, changes: Changes) -> Plan:
    """What the copy shows and tells. Its scenes are where they are seen; of a backdrop only the colours are right."""
    from_s, until_s = changes.first / original.fps, changes.end / original.fps
    shots = []
    for shot in original.shots:
        if shot.end_s <= from_s or shot.start_s >= until_s:
            continue
        scene = cropped(shot.scene, changes.crop)
        shots.append(
            ShotTruth(
                round(max(shot.start_s, from_s) - from_s, _DIGITS),
                round(min(shot.end_s, until_s) - from_s, _DIGITS),
                shot.transition,
                round(shot.scene_start_s - from_s, _DIGITS),
                mirrored(scene) if changes.mirrored else scene,
            )
        )
    lines = tuple(_moved(line, from_s) for line in original.lines if line.start_s >= from_s and line.ends_s <= until_s)
    return replace(original, shots=tuple(shots), lines=lines)


def write_copy(path: Path, original: Path, changes: Changes, fps: int) -> None:
    """Decode the file of the original, change its pictures, and encode it again."""
    sound = _decode_sound(original)
    sound = sound[round(changes.first / fps * RATE_HZ) : round(changes.end / fps * RATE_HZ)]
    write_film(path, _pictures(original, changes), sound, fps, crf=_CRF)


def mirrored(scene: Scene) -> Scene:
    """The scene as in a mirror: left is right, of places and motions."""
    groups = tuple(
        replace(
            group,
            x=WIDTH_PX - group.x,
            motion=_MIRRORED.get(group.motion, group.motion),
            tilt_deg=-group.tilt_deg,
        )
        for group in scene.groups
    )
    return replace(scene, groups=groups, camera=replace(scene.camera, pan_x_px=-scene.camera.pan_x_px))


def cropped(scene: Scene, scale: float) -> Scene:
    """The scene with its edges cut off and the rest brought to the full size."""

    def closer(group: Group) -> Group:
        return replace(
            group,
            x=WIDTH_PX / 2 + (group.x - WIDTH_PX / 2) * scale,
            y=HEIGHT_PX / 2 + (group.y - HEIGHT_PX / 2) * scale,
            radius_px=group.radius_px * scale,
            travel_px=group.travel_px * scale,
        )

    camera = replace(scene.camera, pan_x_px=scene.camera.pan_x_px * scale, pan_y_px=scene.camera.pan_y_px * scale)
    return replace(scene, groups=tuple(map(closer, scene.groups)), camera=camera)


def _moved(line: Line, by_s: float) -> Line:
    return replace(line, start_s=line.start_s - by_s)


def _pictures(original: Path, changes: Changes) -> Iterator[Image.Image]:
    import av

    with av.open(str(original)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if changes.first <= number < changes.end:
                yield _change(Image.fromarray(frame.to_ndarray(format="rgb24")), changes)


def _change(picture: Image.Image, changes: Changes) -> Image.Image:
    if changes.crop > 1:
        wide, high = WIDTH_PX / changes.crop, HEIGHT_PX / changes.crop
        left, top = (WIDTH_PX - wide) / 2, (HEIGHT_PX - high) / 2
        box = (left, top, left + wide, top + high)
        picture = picture.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC, box=box)
    if changes.mirrored:
        picture = ImageOps.mirror(picture)
    if changes.logo:
        logo = _logo()
        picture.paste(logo, (WIDTH_PX - logo.width - 12, 12), logo)
    return picture


@cache
def _logo() -> Image.Image:
    layer = Image.new("RGBA", (92, 26))
    ImageDraw.Draw(layer).text((46, 13), "COPY-TV", (255, 255, 255, 200), ImageFont.load_default(20), anchor="mm")
    return layer


def _decode_sound(path: Path) -> Samples:
    import av

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE_HZ)
    with av.open(str(path)) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)
