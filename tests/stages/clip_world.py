"""A real media store with real sampled frames, and real (untrained) models that count what they are asked."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.builders import clip, delivery
from vta_stream.domain.clip import Clip
from vta_stream.domain.delivery import Emission
from vta_stream.domain.scores import Scores
from vta_stream.media.frames import write_frames
from vta_stream.models.base import ModelLoader
from vta_stream.models.coca import CoCa
from vta_stream.models.image_text import OpenClip
from vta_stream.models.shared import SharedModels
from vta_stream.ports import Outcome, Stage
from vta_stream.settings.work import MediaStoreSettings, ModelSettings, ModelsSettings
from vta_stream.stores.media_store import LocalMediaStore

LENIENT: dict[str, dict[str, Any]] = {"clip_match": {"minimum": -1}, "caption_match": {"minimum": -1}}
"""Limits that an untrained model can meet."""


class CountingClip(OpenClip):
    """The real thing, and the sizes of what went in."""

    def setup(self) -> None:
        self.images: list[int] = []
        self.texts: list[int] = []
        super().setup()

    def embed_images(self, images: Sequence[Any]) -> Any:
        self.images.append(len(images))
        return super().embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> Any:
        self.texts.append(len(texts))
        return super().embed_texts(texts)


@dataclass
class World:
    """`segmented` makes clips as segment would leave them."""

    store: LocalMediaStore
    models: SharedModels
    clip_model: CountingClip = field(repr=False)

    def segmented(self, video_id: str = "vid-1", start_s: float = 1.0, seed: int = 0, **changes: Any) -> Clip:
        made = clip(video_id, start_s, start_s + 4.0, **changes)
        if "scores" not in changes:
            made = dataclasses.replace(made, scores=Scores({"motion": 12.0, "shot_purity": 1.0}))
        path = self.store.path(made.frames_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_frames(path, [start_s + n / 2 for n in range(8)], [jpeg(seed * 100 + n) for n in range(8)])
        return made


def world(tmp_path: Path, clip_folder: Path, coca_folder: Path) -> World:
    loader = ModelLoader(ModelsSettings(device="cpu", threads=1))
    model = CountingClip(ModelSettings(name=str(clip_folder)), loader)
    models = SharedModels(lambda: model, lambda: CoCa(ModelSettings(name=str(coca_folder)), loader))
    return World(LocalMediaStore(tmp_path / "media", MediaStoreSettings()), models, model)


def jpeg(seed: int) -> bytes:
    """A textured picture, not too dark and not too bright."""
    picture = np.random.default_rng(seed).integers(40, 216, (48, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


async def run(stage: Stage[Clip], topic: str, *clips: Clip) -> Sequence[Outcome]:
    return await stage.process([delivery(each, topic, offset) for offset, each in enumerate(clips)])


def emitted(outcome: Outcome) -> tuple[str, Clip]:
    """The topic and the clip of an outcome that is one emission."""
    assert isinstance(outcome, tuple), outcome
    (emission,) = outcome
    assert isinstance(emission, Emission)
    assert isinstance(emission.record, Clip)
    return emission.topic, emission.record
