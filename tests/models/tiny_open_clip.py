"""Untrained models in open_clip's folder format, a few MB each.

Their scores and captions mean nothing. They are real in format only, so that the real loading code runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SIZE_PX = 32
_WIDTH = 32
_DIM = _WIDTH  # the pooled image tokens that CoCa's decoder reads are as wide as the embedding
_CONTEXT = 77
_VOCABULARY = 49_408  # of the byte-pair tokenizer that open_clip carries

_VISION: dict[str, Any] = {
    "image_size": _SIZE_PX,
    "layers": 2,
    "width": _WIDTH,
    "head_width": 16,
    "patch_size": 8,
}
_TEXT: dict[str, Any] = {
    "context_length": _CONTEXT,
    "vocab_size": _VOCABULARY,
    "width": _WIDTH,
    "heads": 2,
    "layers": 2,
}
_CLIP: dict[str, Any] = {"embed_dim": _DIM, "vision_cfg": _VISION, "text_cfg": _TEXT}
_COCA: dict[str, Any] = {
    "embed_dim": _DIM,
    "vision_cfg": {**_VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
    | {"attn_pooler_queries": 8},
    "text_cfg": {**_TEXT, "context_length": _CONTEXT - 1, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**_TEXT, "context_length": _CONTEXT - 1, "attn_pooler_heads": 2},
    "custom_text": True,
}


def make_tiny_clip(folder: Path, seed: int = 0) -> Path:
    """Write an untrained CLIP to `folder`; the same seed gives the same weights. Returns `folder`."""
    import torch
    from open_clip.model import CLIP

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CLIP(**_CLIP)
    return _write(folder, network, _CLIP)


def make_tiny_coca(folder: Path, seed: int = 0) -> Path:
    """Write an untrained CoCa to `folder`, which can serve as image-text model too. Returns `folder`."""
    import torch
    from open_clip.coca_model import CoCa

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = {key: value for key, value in _COCA.items() if key != "custom_text"}
        network = CoCa(**config)
        # open_clip leaves this matrix as it finds the memory.
        torch.nn.init.normal_(network.text_decoder.text_projection, std=_WIDTH**-0.5)
    return _write(folder, network, _COCA)


def _write(folder: Path, network: Any, config: dict[str, Any]) -> Path:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    # Half precision halves the files; loading brings them back to the precision of the settings.
    state = {name: tensor.to(torch.float16).contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "squash"}
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=1)
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    return folder
