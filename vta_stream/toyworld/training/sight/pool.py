"""Pictures of training scenes, rendered once and kept on disk, with their facts.

Each goes the way that a picture of the pipeline goes: 640x360, blurred and compressed a little, squashed.
"""

from __future__ import annotations

import io
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from vta_stream.toyworld.training.sight.facts import FACTS, Facts, facts_of
from vta_stream.toyworld.training.sight.model import HEIGHT_PX, WIDTH_PX
from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.picture import Pixels, render
from vta_stream.toyworld.world.realm import Realm, rng_of

MOMENTS = 3
"""Pictures a scene, at times of their own."""


class Pool:
    """`scenes` * MOMENTS pictures in a folder; those up to `ready` are there. Built by `build`, maybe elsewhere."""

    def __init__(self, folder: Path, scenes: int, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._seed, self._scenes = seed, scenes
        self._done = folder / f"done-{seed}.txt"
        count = scenes * MOMENTS
        self.frames: Pixels = _mapped(
            folder / f"frames-{seed}.npy", np.dtype(np.uint8), (count, HEIGHT_PX, WIDTH_PX, 3)
        )
        self.facts: Facts = _mapped(folder / f"facts-{seed}.npy", FACTS, (count,))

    @property
    def ready(self) -> int:
        """Pictures that are there."""
        return int(self._done.read_text(encoding="utf-8")) if self._done.exists() else 0

    def build(self) -> None:
        """Render what is missing; after an interruption, go on where it was."""
        for number in range(self.ready // MOMENTS, self._scenes):
            self._render(number)
            if number % 50 == 49 or number == self._scenes - 1:
                partial = self._done.with_suffix(".partial")
                partial.write_text(str((number + 1) * MOMENTS), encoding="utf-8")
                partial.replace(self._done)

    def _render(self, number: int) -> None:
        rng = rng_of(Realm.TRAINING, self._seed, f"sight scene {number}")
        scene = compose_scene(rng, Realm.TRAINING, rng.uniform(3.0, 9.0))
        for row in range(number * MOMENTS, (number + 1) * MOMENTS):
            time_s = rng.uniform(0.0, scene.duration_s)
            self.frames[row] = np.asarray(worn(render(scene, time_s), rng))
            self.facts[row] = facts_of(scene, time_s)


def build_pool(folder: Path, scenes: int, seed: int) -> None:
    """What is missing of the pool, in a process that gives way to the training."""
    os.nice(2)
    Pool(folder, scenes, seed).build()


def worn(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The picture as it comes through video and JPEG, squashed to the size of the network."""
    if rng.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6)))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=rng.randint(45, 96))
    with Image.open(stream) as opened:
        return squashed(opened)


def squashed(picture: Image.Image) -> Image.Image:
    """As open_clip's preprocessing does it, with the settings of `model.preprocess_config`."""
    return picture.convert("RGB").resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)


def _mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """An array in a file, made if it is not there; ValueError if it is one of another shape."""
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}")
        np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape).flush()
        partial.replace(path)
    array = np.lib.format.open_memmap(path, mode="r+")
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path} was made by other settings: remove it, or take another work folder")
    return array
