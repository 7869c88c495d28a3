"""An untrained Whisper of a megabyte in CTranslate2's format.

It hears nothing: of every half minute that reaches it, it says the same sentence. It is real in format only, so
that the real loading and decoding code runs on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.toyworld.whisper_format import SPECIAL, TIME_STEP_S, convert, first_time, make_config, number_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import WhisperForConditionalGeneration

SAYS = " This is an untrained model."
"""What it says. Plain random weights would babble up to the longest text at all of Whisper's temperatures, which
takes ten times as long and shows nothing more."""

_SAYS_FOR_S = 2.0
_WIDTH, _LAYERS, _HEADS = 64, 2, 2


def make_tiny_whisper(folder: Path, seed: int = 0, window_s: float = 30.0) -> Path:
    """Write the model into `folder` (made if need be) and return it. Takes seconds; the same seed, the same model.

    English only, as faster-whisper takes every vocabulary under 51,865 pieces to be; byte-level pieces, so that
    any text can be written. Word times are computed, by the attention of the last decoder layer.
    """
    import torch
    from transformers import WhisperForConditionalGeneration

    tokenizer = _tokenizer()
    config = make_config(tokenizer, width=_WIDTH, heads=_HEADS, encoder_layers=_LAYERS, decoder_layers=_LAYERS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = WhisperForConditionalGeneration(config)
        _make_it_say(network, tokenizer)
    convert(network, tokenizer, folder, window_s=window_s)
    return folder


def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    # faster-whisper suppresses the first piece of " -", " '" and " ♪": without these merges, every space.
    merges = [("Ġ", "-"), ("Ġ", "'"), ("Ġ", "â")]
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(merge) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _make_it_say(network: WhisperForConditionalGeneration, tokenizer: Tokenizer) -> None:
    """Let the position decide the next piece: each position points at the embedding of the piece that follows."""
    import torch

    zero, end = first_time(tokenizer), number_of(tokenizer, SPECIAL[0])
    pieces = [zero, *tokenizer.encode(SAYS).ids, zero + round(_SAYS_FOR_S / TIME_STEP_S)]
    decoder = network.model.decoder
    with torch.no_grad():
        decoder.embed_tokens.weight.normal_()
        following = torch.tensor(pieces + [end] * (decoder.max_target_positions - len(pieces)))
        # So much longer than an embedding that the piece before and the layers have no say.
        decoder.embed_positions.weight.copy_(100 * decoder.embed_tokens.weight[following])
