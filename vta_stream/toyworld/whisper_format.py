"""Whisper's special pieces, its configuration at any size, and the way into CTranslate2's format."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import WhisperConfig, WhisperForConditionalGeneration

SPECIAL = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
    "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
"""In Whisper's order. Text comes before the first of them, times after the last: faster-whisper relies on both."""

TIMES, TIME_STEP_S = 1501, 0.02
"""<|0.00|> to <|30.00|>."""

WINDOW_S = 10.0
"""faster-whisper takes the length of its windows from the model's folder. Whisper's own are three times as long, and so
is each step of a training on them. The world's longest sentence takes 5 s.
"""

MELS = 80
_TEXT_POSITIONS = 448  # faster-whisper's fixed maximum


def number_of(tokenizer: Tokenizer, piece: str) -> int:
    """The number of a piece that there has to be."""
    number = tokenizer.token_to_id(piece)
    if number is None:
        raise ValueError(f"the tokenizer has no piece {piece!r}")
    return int(number)


def first_time(tokenizer: Tokenizer) -> int:
    """The number of <|0.00|>."""
    return number_of(tokenizer, SPECIAL[-1]) + 1


def make_config(
    tokenizer: Tokenizer, *, width: int, heads: int, encoder_layers: int, decoder_layers: int
) -> WhisperConfig:
    """English only, as faster-whisper takes every vocabulary under 51,865 pieces to be."""
    from transformers import WhisperConfig

    end = number_of(tokenizer, SPECIAL[0])
    return WhisperConfig(
        vocab_size=tokenizer.get_vocab_size() + TIMES,
        num_mel_bins=MELS,
        d_model=width,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        max_target_positions=_TEXT_POSITIONS,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=number_of(tokenizer, SPECIAL[1]),
        # The defaults are those of the real vocabulary; CTranslate2 writes past its memory for pieces that a
        # smaller one does not have.
        suppress_tokens=[],
        begin_suppress_tokens=[number_of(tokenizer, "Ġ"), end],
    )


def convert(
    network: WhisperForConditionalGeneration,
    tokenizer: Tokenizer,
    folder: Path,
    alignment_heads: Sequence[tuple[int, int]] = (),
    window_s: float = WINDOW_S,
) -> None:
    """Write the network into `folder` as CTranslate2 reads it, in int8.

    Word times come from `alignment_heads`, each a layer and a head of the decoder's cross-attention; without any, from
    all heads of the last half of the layers.
    """
    from ctranslate2.converters import TransformersConverter

    with tempfile.TemporaryDirectory(prefix="whisper-") as name, _no_progress_bars():
        source = Path(name)
        network.save_pretrained(source)
        tokenizer.save(str(source / "tokenizer.json"))
        _write(source / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
        _write(
            source / "preprocessor_config.json",
            {
                "feature_size": MELS,
                "sampling_rate": 16_000,
                "hop_length": 160,
                "n_fft": 400,
                "chunk_length": int(window_s),
            },
        )
        copied = ["tokenizer.json", "preprocessor_config.json"]
        TransformersConverter(str(source), copy_files=copied).convert(str(folder), quantization="int8", force=True)
    if alignment_heads:
        # The converter finds them in a generation configuration that transformers 5 no longer saves with them.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        _write(folder / "config.json", config | {"alignment_heads": [list(head) for head in alignment_heads]})


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """transformers shows bars for what takes a tenth of a second, in the middle of whatever is on the terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _write(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
