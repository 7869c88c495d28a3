"""A clip with its frames and embeddings, as a scorer is handed it, all given by the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.builders import clip
from vta_stream.domain.clip import Clip, Features


def frames(seed: int = 0, count: int = 8) -> list[np.ndarray]:
    """Textured RGB pictures of 48 x 64 pixels."""
    return list(np.random.default_rng(seed).integers(0, 256, (count, 48, 64, 3), dtype=np.uint8))


@dataclass
class Given:
    """`ports.ClipInputs` without a model."""

    clip: Clip = field(default_factory=clip)
    images: Sequence[Any] = field(default_factory=frames)
    vectors: Any = None
    text: Any = None
    features: Features | None = None

    def frame_embeddings(self) -> Any:
        return self.vectors

    def text_embedding(self) -> Any:
        return self.text
