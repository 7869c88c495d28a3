"""An untrained Whisper of a megabyte in CTranslate2's format: for tests, and until a trained one is in.

It hears nothing: of every half minute that reaches it, it says the same sentence. It is real in format only, so
that the real loading and decoding code runs on it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import WhisperConfig, WhisperForConditionalGeneration

_SPECIAL = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
    "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
"""In Whisper's order. Text comes before the first of them, times after the last: faster-whisper relies on both."""

_TIMES = 1501
"""<|0.00|> to <|30.00|> in steps of 0.02 s."""

SAYS = " This is an untrained model."
"""What it says. Plain random weights would babble up to the longest text at all of Whisper's temperatures, which
takes ten times as long and shows nothing more."""

_SAYS_FOR_S = 2.0
_STEP_S = 0.02

_WIDTH, _LAYERS, _HEADS, _MELS = 64, 2, 2, 80
_TEXT_POSITIONS = 448  # faster-whisper's fixed maximum


def make_tiny_whisper(folder: Path, seed: int = 0) -> Path:
    """Write the model into `folder` (made if need be) and return it. Takes seconds; the same seed, the same model.

    English only, as faster-whisper takes every vocabulary under 51,865 pieces to be; byte-level pieces, so that
    any text can be written. Word times are computed, by the attention of the last decoder layer.
    """
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperForConditionalGeneration

    tokenizer = _tokenizer()
    config = _config(tokenizer)
    with tempfile.TemporaryDirectory(prefix="tiny-whisper-") as name:
        source = Path(name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = WhisperForConditionalGeneration(config)
            _make_it_say(network, tokenizer)
        network.save_pretrained(source)
        tokenizer.save(str(source / "tokenizer.json"))
        _write(source / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
        _write(
            source / "preprocessor_config.json",
            {"feature_size": _MELS, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400, "chunk_length": 30},
        )
        copied = ["tokenizer.json", "preprocessor_config.json"]
        converter = TransformersConverter(str(source), copy_files=copied)
        converter.convert(str(folder), quantization="int8", force=True)
    return folder


def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    # faster-whisper suppresses the first piece of " -", " '" and " ♪": without these merges, every space.
    merges = [("Ġ", "-"), ("Ġ", "'"), ("Ġ", "â")]
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(merge) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer


def _id(tokenizer: Tokenizer, piece: str) -> int:
    number = tokenizer.token_to_id(piece)
    if number is None:
        raise ValueError(f"the tokenizer has no piece {piece!r}")
    return number


def _config(tokenizer: Tokenizer) -> WhisperConfig:
    from transformers import WhisperConfig

    end, start = _id(tokenizer, "<|endoftext|>"), _id(tokenizer, "<|startoftranscript|>")
    return WhisperConfig(
        vocab_size=tokenizer.get_vocab_size() + _TIMES,
        num_mel_bins=_MELS,
        d_model=_WIDTH,
        encoder_layers=_LAYERS,
        decoder_layers=_LAYERS,
        encoder_attention_heads=_HEADS,
        decoder_attention_heads=_HEADS,
        encoder_ffn_dim=4 * _WIDTH,
        decoder_ffn_dim=4 * _WIDTH,
        max_target_positions=_TEXT_POSITIONS,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        # The defaults are those of the real vocabulary; CTranslate2 writes past its memory for pieces that a
        # smaller one does not have.
        suppress_tokens=[],
        begin_suppress_tokens=[_id(tokenizer, "Ġ"), end],
    )


def _make_it_say(network: WhisperForConditionalGeneration, tokenizer: Tokenizer) -> None:
    """Let the position decide the next piece: each position points at the embedding of the piece that follows."""
    import torch

    first_time = _id(tokenizer, _SPECIAL[-1]) + 1
    pieces = [first_time, *tokenizer.encode(SAYS).ids, first_time + round(_SAYS_FOR_S / _STEP_S)]
    end = _id(tokenizer, "<|endoftext|>")
    decoder = network.model.decoder
    with torch.no_grad():
        decoder.embed_tokens.weight.normal_()
        following = torch.tensor(pieces + [end] * (_TEXT_POSITIONS - len(pieces)))
        # So much longer than an embedding that the piece before and the layers have no say.
        decoder.embed_positions.weight.copy_(100 * decoder.embed_tokens.weight[following])


def _write(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")
