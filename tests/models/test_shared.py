from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vta_stream.models.base import ModelLoader
from vta_stream.models.coca import CoCa
from vta_stream.models.image_text import OpenClip
from vta_stream.models.shared import SharedModels
from vta_stream.settings.work import ModelSettings, ModelsSettings


def test_one_object_each_however_many_threads_ask(tiny_clip: Path, tiny_coca: Path) -> None:
    loader = ModelLoader(ModelsSettings(device="cpu", threads=1))
    made: list[str] = []
    gate = threading.Barrier(8)

    def image_text() -> OpenClip:
        made.append("image_text")
        return OpenClip(ModelSettings(name=str(tiny_clip)), loader)

    models = SharedModels(image_text, lambda: CoCa(ModelSettings(name=str(tiny_coca)), loader))

    def ask(_: int) -> int:
        gate.wait()
        model = models.image_text()
        model.setup()
        return id(model)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert made == ["image_text"]
    assert models.captions() is models.captions()


def test_threads_compute_the_same_as_one(tiny_clip: Path) -> None:
    loader = ModelLoader(ModelsSettings(device="cpu", threads=1))
    model = OpenClip(ModelSettings(name=str(tiny_clip)), loader)
    model.setup()
    texts = [f"text {n}" for n in range(16)]
    alone = model.embed_texts(texts)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: model.embed_texts(texts), range(8)):
            assert (answer == alone).all()
