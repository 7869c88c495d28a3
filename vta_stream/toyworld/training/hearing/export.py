"""From the checkpoint to the folder that is shipped: CTranslate2's model."""

from __future__ import annotations

from pathlib import Path

from vta_stream.toyworld.training.hearing.course import weights
from vta_stream.toyworld.training.hearing.network import DECODER_LAYERS, GUIDED_HEAD
from vta_stream.toyworld.whisper_format import convert


def export(work: Path, seed: int, folder: Path) -> int:
    """Write the model as it was saved last into `folder`, and return the steps it has taken."""
    network, pieces, steps = weights(work, seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    convert(network.whisper, pieces.tokenizer, folder, [(DECODER_LAYERS - 1, GUIDED_HEAD)])
    return steps
