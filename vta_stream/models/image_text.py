"""Images and texts in one space: CLIP and its kin, through open_clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from vta_stream.models.base import LoadedModel, ModelLoader, pixels
from vta_stream.settings.work import ModelSettings

if TYPE_CHECKING:
    import torch

    from vta_stream.ports import Images, Vectors

T = TypeVar("T")

PURPOSE = "scores how text and picture match, and embeds both"


class OpenClip:
    """`ports.ImageTextModel` by open_clip: a hub name with its tag, `hf-hub:ORG/NAME`, or a folder.

    `model_id` and `dim` exist after `setup`. The first names the weights by hub revision or content hash,
    and the precision unless it is fp32. Passes are as large as `models.batch_max`.
    """

    model_id: str
    dim: int

    def __init__(self, settings: ModelSettings, loader: ModelLoader, setting: str = "models.image_text") -> None:
        self._settings = settings
        self._loader = loader
        self._setting = setting
        self._loaded: LoadedModel | None = None

    def setup(self) -> None:
        """Load the weights; cheap if they are loaded. Raises TerminalError `model_missing`."""
        with self._loader.lock:
            if self._loaded is not None:
                return
            loaded = self._loader.load(self._settings, self._setting, PURPOSE)
            self.model_id = loaded.model_id
            self._loaded = loaded
            self.dim = self._texts([""]).shape[1]

    def embed_images(self, images: Sequence[Images]) -> Vectors:
        """RGB uint8 images (height, width, 3) to (len(images), dim) float32 of length 1; blocking.

        Raises TransientError `out_of_memory` if a pass does not fit the device.
        """
        loaded, device = self._network(), self._loader.device
        return self._embed(
            images, lambda part: loaded.network.encode_image(pixels(loaded, part, device), normalize=True)
        )

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts to (len(texts), dim) float32 of length 1; blocking.

        What is beyond the model's context length (77 tokens of CLIP) is cut off.
        """
        self._network()
        return self._texts(texts)

    def _texts(self, texts: Sequence[str]) -> Vectors:
        loaded, device = self._network(), self._loader.device
        return self._embed(
            texts, lambda part: loaded.network.encode_text(loaded.tokenizer(list(part)).to(device), normalize=True)
        )

    def _network(self) -> LoadedModel:
        if self._loaded is None:
            raise RuntimeError("setup() has not been called")
        return self._loaded

    def _embed(self, items: Sequence[T], encode: Callable[[Sequence[T]], torch.Tensor]) -> Vectors:
        import numpy as np
        import torch

        if not items:
            return np.empty((0, self.dim), dtype=np.float32)
        parts: list[Vectors] = []
        for part in _batches(items, self._loader.settings.batch_max):
            with self._loader.computing(), torch.inference_mode():
                parts.append(encode(part).float().cpu().numpy())
        vectors = np.concatenate(parts)
        # Half precision normalises to about 1e-3; downstream may rely on length 1.
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
