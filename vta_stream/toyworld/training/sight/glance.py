"""What the averaged network is worth in the midst of training: a glance at held-out scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from vta_stream.toyworld.evaluation.sight import measure_sight
from vta_stream.toyworld.training.precision import arithmetic
from vta_stream.toyworld.training.sight.batches import Tokens
from vta_stream.toyworld.training.sight.loop import Training
from vta_stream.toyworld.training.sight.model import WIDTH, encode_texts, make_network
from vta_stream.toyworld.training.sight.pool import squashed

if TYPE_CHECKING:
    from vta_stream.ports.models import Images, Vectors

_SCENES = 50
_GLANCE = 1
"""The seed of these scenes; the figures that are shipped have another."""


class Averaged:
    """`ports.ImageTextModel` of a training's averaged weights, in the arithmetic of the device."""

    model_id = "in training"
    dim = WIDTH

    def __init__(self, training: Training) -> None:
        self._device, self._dtype = training.device, arithmetic(training.device)
        self._network = make_network(0)
        self._network.load_state_dict(training.state())
        self._network.to(self._device, self._dtype).eval()
        self._tokens = Tokens(self._device)

    def setup(self) -> None:
        """There is nothing to load."""

    def embed_images(self, images: Sequence[Images]) -> Vectors:
        """To (len(images), dim)."""
        small = np.stack([np.asarray(squashed(Image.fromarray(image))) for image in images])
        pixels = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            found = self._network.encode_image(pixels.to(self._device, self._dtype))
        return np.asarray(found.float().cpu().numpy(), dtype=np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """To (len(texts), dim)."""
        with torch.inference_mode():
            found = encode_texts(self._network, self._tokens(texts))[0].float()
            normal = torch.nn.functional.normalize(found, dim=-1)
        return np.asarray(normal.cpu().numpy(), dtype=np.float32)


def glance(training: Training) -> dict[str, float]:
    """Areas under the curve on a few held-out scenes, by what a wrong text has wrong."""
    figures = measure_sight(Averaged(training), None, _SCENES, _GLANCE)
    found = {"other scene": figures.auc_other_scene, **figures.auc_by_attribute}
    return {name: value for name, value in found.items() if value is not None}
