"""Pictures of training scenes and of crowds, rendered once and kept on disk, with what they show.

Each goes the way that a picture of the pipeline goes: 640x360, blurred and compressed a little, squashed.
"""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from vta_stream.toyworld.training.sight.crowds import compose_crowd
from vta_stream.toyworld.training.sight.facts import FACTS, Facts, facts_of
from vta_stream.toyworld.training.sight.model import GRID, HEIGHT_PX, WIDTH_PX
from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.picture import Pixels, patch_truth, render
from vta_stream.toyworld.world.realm import Realm, rng_of

_CHUNK = 50
"""Scenes or crowds that are rendered together, and noted as ready."""

_BRIGHT_SHARE = 0.125
"""Of the crowds; they are the first."""

MOMENTS = 3
"""Pictures a scene, at times of their own."""


class _Pictures(ABC):
    """`numbers` * `each` pictures in a folder; the first `ready` of them are there."""

    title: str
    prefix: str
    """Of the files' names."""
    each: int

    def __init__(self, folder: Path, numbers: int, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._numbers, self._seed = folder, numbers, seed
        self._done = folder / f"{self.prefix}done-{seed}.txt"
        self.frames: Pixels = self._mapped("frames", np.dtype(np.uint8), HEIGHT_PX, WIDTH_PX, 3)

    @property
    def ready(self) -> int:
        """Pictures that are there."""
        return int(self._done.read_text(encoding="utf-8")) if self._done.exists() else 0

    def build(self, executor: Executor | None = None, tell: Callable[[str], None] = lambda line: None) -> None:
        """Render what is missing, here or in the executor's processes; after an interruption, go on where it was."""
        chunks = range(self.ready // self.each, self._numbers, _CHUNK)
        ends = [min(first + _CHUNK, self._numbers) for first in chunks]
        fill = partial(_fill, type(self), self._folder, self._numbers, self._seed)
        for index, end in enumerate(executor.map(fill, chunks, ends) if executor else map(fill, chunks, ends)):
            partly = self._done.with_suffix(".partial")
            partly.write_text(str(end * self.each), encoding="utf-8")
            partly.replace(self._done)
            if index % 20 == 19 or end == self._numbers:
                tell(f"{end * self.each} of {len(self.frames)} {self.title} are rendered")

    def _mapped(self, what: str, dtype: np.dtype[Any], *shape: int) -> Any:
        """A row a picture."""
        path = self._folder / f"{self.prefix}{what}-{self._seed}.npy"
        return _mapped(path, dtype, (self._numbers * self.each, *shape))

    @abstractmethod
    def fill(self, number: int) -> None:
        """Fill the rows of this number."""


def _fill(kind: type[_Pictures], folder: Path, numbers: int, seed: int, first: int, end: int) -> int:
    """Fill the rows of a chunk, in whatever process; returns its end."""
    pictures = kind(folder, numbers, seed)
    for number in range(first, end):
        pictures.fill(number)
    return end


class Crowds(_Pictures):
    """`numbers` crowds, the first of them `bright`. `seen` is what each patch shows: 0, size, colour and shape from 1
    on, all 0 for the backdrop.
    """

    title, prefix, each = "pictures of crowds", "crowd-", 1

    def __init__(self, folder: Path, numbers: int, seed: int) -> None:
        super().__init__(folder, numbers, seed)
        self.bright = math.ceil(numbers * _BRIGHT_SHARE)
        self.seen: npt.NDArray[np.int8] = self._mapped("seen", np.dtype(np.int8), GRID[0] * GRID[1], 4)

    def fill(self, number: int) -> None:
        """One crowd, one row."""
        rng = rng_of(Realm.TRAINING, self._seed, f"sight crowd {number}")
        crowd = compose_crowd(rng, bright=number < self.bright)
        self.frames[number] = np.asarray(worn(render(crowd, 0.0), rng))
        shown = patch_truth(crowd, 0.0, *GRID)
        nothing = np.zeros_like(shown.size)
        self.seen[number] = np.stack([nothing, shown.size, shown.colour, shown.shape], axis=-1).reshape(-1, 4)


class Pool(_Pictures):
    """Of each of `numbers` scenes MOMENTS pictures, with their facts."""

    title, prefix, each = "pictures of scenes", "", MOMENTS

    def __init__(self, folder: Path, numbers: int, seed: int) -> None:
        super().__init__(folder, numbers, seed)
        self.facts: Facts = self._mapped("facts", FACTS)

    def fill(self, number: int) -> None:
        """A scene at MOMENTS times."""
        rng = rng_of(Realm.TRAINING, self._seed, f"sight scene {number}")
        scene = compose_scene(rng, Realm.TRAINING, rng.uniform(3.0, 9.0))
        for row in range(number * MOMENTS, (number + 1) * MOMENTS):
            time_s = rng.uniform(0.0, scene.duration_s)
            self.frames[row] = np.asarray(worn(render(scene, time_s), rng))
            self.facts[row] = facts_of(scene, time_s)


def build_pools(pool: Pool, crowds: Crowds, tell: Callable[[str], None]) -> None:
    """Render what is missing of both, on all cores."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as executor:
        for pictures in (crowds, pool):
            pictures.build(executor, tell)


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
