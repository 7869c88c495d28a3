"""The network: a CoCa of open_clip's own class, small, with a tokenizer of the world's words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.toyworld.world.grammar import words
from vta_stream.toyworld.world.vocabulary import COUNTS, FILLERS

if TYPE_CHECKING:
    import torch

HEIGHT_PX, WIDTH_PX = 96, 176
"""Nearly the shape of the world's pictures: squashed to a square of the same area, a small shape is 7 px wide, and not
to be told from another."""

PATCH_PX = 16
GRID = (HEIGHT_PX // PATCH_PX, WIDTH_PX // PATCH_PX)
"""Rows and columns of patches."""

WIDTH = 192
CONTEXT = 64
BOUNDARY = 0.2
"""The cosine at which a text is as likely true as not: the default limit of the filters that match."""

_SLOPE = 0.1
"""Of the positions at the beginning, as large as their noise."""

PAD, UNKNOWN, START, END = "<pad>", "<unknown>", "<start>", "<end>"

_BLOCK: dict[str, Any] = {"width": WIDTH, "heads": 6, "context_length": CONTEXT}


def vocabulary() -> list[str]:
    """All tokens in the order of their ids. The end token is the last: open_clip pools a text at its highest id."""
    said = {word for text in FILLERS for word in re.findall(r"[a-z]+", text.lower())}
    return [PAD, UNKNOWN, START, *sorted({*words(), *COUNTS.values(), *said}), END]


def model_config() -> dict[str, Any]:
    """open_clip's `model_cfg`: 5.6M parameters."""
    return {
        "embed_dim": WIDTH,
        "vision_cfg": {
            "image_size": [HEIGHT_PX, WIDTH_PX],
            "patch_size": PATCH_PX,
            "layers": 5,
            "width": WIDTH,
            "head_width": 32,
            "output_tokens": True,  # the decoder looks at the patches themselves, so their width is its width
        },
        "text_cfg": {
            **_BLOCK,
            "layers": 3,
            "vocab_size": len(vocabulary()),
            # open_clip takes the tokenizer from the model's own folder, whatever is said here.
            "hf_tokenizer_name": "tokenizer.json",
            "embed_cls": True,
            "output_tokens": True,
        },
        "multimodal_cfg": {**_BLOCK, "layers": 2, "vocab_size": len(vocabulary())},
        "custom_text": True,
        "init_logit_bias": -10 * BOUNDARY,
    }


def preprocess_config() -> dict[str, Any]:
    """open_clip's `preprocess_cfg`: the whole picture is squashed to the size of the network."""
    half = [0.5, 0.5, 0.5]
    return {"mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "squash"}


def make_network(seed: int) -> Any:
    """The untrained network."""
    import torch
    from open_clip.coca_model import CoCa

    config = {key: value for key, value in model_config().items() if key != "custom_text"}
    torch.manual_seed(seed)
    network = CoCa(**config, init_logit_scale=2.3)
    for block in network.visual.transformer.resblocks:
        torch.nn.init.normal_(block.attn.out_proj.weight, std=WIDTH**-0.5 / 10**0.5)
        torch.nn.init.normal_(block.mlp.c_proj.weight, std=(4 * WIDTH) ** -0.5 / 10**0.5)
    network.visual.positional_embedding.data[1:] += _slopes()
    # open_clip leaves this matrix as it finds the memory.
    torch.nn.init.normal_(network.text_decoder.text_projection, std=WIDTH**-0.5)
    return network


def _slopes() -> torch.Tensor:
    """Patches x WIDTH: two directions, along which left and right, top and bottom lie apart.

    open_clip's positions begin as noise, and what tells the middle from the edges is learnt before what tells the edges
    from each other; see `losses._CENTRE_WEIGHT`.
    """
    import torch

    directions = torch.randn(2, WIDTH) * _SLOPE
    y, x = (torch.linspace(-1, 1, size) for size in GRID)
    return (x[None, :, None] * directions[0] + y[:, None, None] * directions[1]).flatten(0, 1)


def encode_texts(network: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `network.text` makes of rows that are padded to CONTEXT, from rows cut after the longest text and one pad.

    open_clip puts its class token behind the padding, so a shorter row would give it another position.
    """
    import torch

    text = network.text
    length = tokens.shape[1]
    x = text.token_embedding(tokens) + text.positional_embedding[:length]
    cls = (text.cls_emb + text.positional_embedding[-1]).expand(len(tokens), 1, -1)
    mask = text._build_additive_mask(tokens, length + 1, x.dtype) + text.attn_mask[: length + 1, : length + 1]
    x = text.transformer(torch.cat([x, cls], dim=1), attn_mask=mask)
    return text.ln_final(x[:, -1]) @ text.text_projection, x[:, :-1]


def make_tokenizer() -> Any:
    """Words to ids (a `tokenizers.Tokenizer`): case and signs do not matter, unknown words are one token."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    ids = {token: index for index, token in enumerate(vocabulary())}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\p{L}\p{N}]+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    return tokenizer


def write_tokenizer(folder: Path) -> None:
    """The tokenizer's files, as transformers reads them."""
    from transformers import PreTrainedTokenizerFast

    tokenizer: Any = PreTrainedTokenizerFast
    tokenizer(
        tokenizer_object=make_tokenizer(),
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        model_max_length=CONTEXT,
    ).save_pretrained(str(folder))


def write_model(folder: Path, state: dict[str, torch.Tensor]) -> None:
    """The folder that open_clip loads as `local-dir:`, weights in half precision."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    config = {"model_cfg": model_config(), "preprocess_cfg": preprocess_config()}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in state.items()}
    weights = folder / "open_clip_model.safetensors"
    save_file(half, weights)
    weights.chmod(0o644)  # it is written for its owner alone
