"""The network, and what it is to learn: the pieces, where each is said, and the sounds themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import WhisperForConditionalGeneration

from vta_stream.toyworld.training.hearing.pieces import IGNORED, LETTERS, Pieces
from vta_stream.toyworld.training.hearing.windows import Batch
from vta_stream.toyworld.whisper_format import make_config

WIDTH, HEADS, ENCODER_LAYERS, DECODER_LAYERS = 192, 3, 3, 2
GUIDED_HEAD = 0
"""The head of the last decoder layer's cross-attention that looks where the word is said."""

_GUIDE_WEIGHT, _CTC_WEIGHT = 1.0, 0.5
_INIT_STD, _POSITION_SCALE, _TIME_SCALE = 0.05, 0.3, 0.25


class Hearing(nn.Module):
    """Whisper of transformers, of 3.4M parameters, with a second head (CTC) on the encoder for training alone."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        layers = {"encoder_layers": ENCODER_LAYERS, "decoder_layers": DECODER_LAYERS}
        config = make_config(pieces.tokenizer, width=WIDTH, heads=HEADS, **layers)
        config.init_std = _INIT_STD
        self.whisper = WhisperForConditionalGeneration(config)
        self.sounds = nn.Linear(WIDTH, len(LETTERS) + 1)
        self._prepare(pieces)
        self._seen: dict[str, torch.Tensor] = {}
        attention = self.whisper.model.decoder.layers[-1].encoder_attn
        for name in ("q_proj", "k_proj"):
            getattr(attention, name).register_forward_hook(self._keep(name))

    @torch.no_grad()
    def _prepare(self, pieces: Pieces) -> None:
        """Better beginnings than Whisper's own, which are for a large one: the sounds would drown in the positions.

        The times of the text begin as the encoder's positions, which have the same step. So to look at a time, and to
        say where one looks, are linear maps, and not 1,500 facts to be learnt.
        """
        encoder, decoder = self.whisper.model.encoder, self.whisper.model.decoder
        for convolution in (encoder.conv1, encoder.conv2):
            nn.init.kaiming_normal_(convolution.weight)
        encoder.embed_positions.weight *= _POSITION_SCALE
        zero, positions = pieces.time(0.0), encoder.embed_positions.weight
        decoder.embed_tokens.weight[zero : zero + len(positions)] = _TIME_SCALE * positions

    def _keep(self, name: str) -> Any:
        def hook(_module: nn.Module, _given: Any, output: torch.Tensor) -> None:
            self._seen[name] = output

        return hook

    def encode(self, features: torch.Tensor, first_position: int = 0) -> torch.Tensor:
        """As transformers does for 30 s, but of any length, beginning at any position."""
        encoder = self.whisper.model.encoder
        hidden = functional.gelu(encoder.conv1(features.to(encoder.conv1.weight.dtype)))
        hidden = functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
        hidden = hidden + encoder.embed_positions.weight[first_position : first_position + hidden.shape[1]]
        for layer in encoder.layers:
            hidden = layer(hidden, None)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return encoder.layer_norm(hidden)  # type: ignore[no-any-return]

    def losses(self, batch: Batch, *, sounds: bool) -> dict[str, torch.Tensor]:
        """`total`, and its parts: `pieces` (nats a piece), `guide` (nats a word's piece), `sounds` (CTC, a letter)."""
        encoded = self.encode(batch.features, batch.first_position)
        decoder = self.whisper.model.decoder
        decoded = decoder(input_ids=batch.read, encoder_hidden_states=encoded, use_cache=False).last_hidden_state
        wanted = batch.said.flatten() != IGNORED
        logits = self.whisper.proj_out(decoded.flatten(0, 1)[wanted])
        found = {"pieces": functional.cross_entropy(logits.float(), batch.said.flatten()[wanted])}
        found["guide"] = self._guide(batch)
        total = found["pieces"] + _GUIDE_WEIGHT * found["guide"]
        if sounds and len(batch.letters):
            found["sounds"] = self._sounds(encoded, batch)
            total = total + _CTC_WEIGHT * found["sounds"]
        return {"total": total, **found}

    def _scores(self) -> torch.Tensor:
        """What the guided head made of the last batch before the softmax: (rows, length, positions)."""
        query, key = (self._seen[name] for name in ("q_proj", "k_proj"))
        size = WIDTH // HEADS
        own = slice(GUIDED_HEAD * size, (GUIDED_HEAD + 1) * size)
        scores: torch.Tensor = (query[..., own] @ key[..., own].transpose(1, 2)).float() * size**-0.5
        return scores

    def _guide(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy of the guided head's attention against the piece's span, evenly."""
        scores = self._scores()
        guided = batch.spans[..., 0] >= 0
        spans = batch.spans[guided]
        if not len(spans):
            return torch.zeros((), device=scores.device)
        scores = scores[guided]
        at = torch.arange(scores.shape[1], device=scores.device)
        inside = (at >= spans[:, :1]) & (at < spans[:, 1:])
        mean = (scores * inside).sum(1) / inside.sum(1)
        # Less the entropy of the even span, so that 0 is the best.
        loss: torch.Tensor = (scores.logsumexp(1) - mean - inside.sum(1).float().log()).mean()
        return loss

    def _sounds(self, encoded: torch.Tensor, batch: Batch) -> torch.Tensor:
        log_odds = self.sounds(encoded).float().log_softmax(-1).transpose(0, 1)
        blank = self.sounds.out_features - 1
        counts = batch.letter_counts
        loss: torch.Tensor = functional.ctc_loss(
            log_odds, batch.letters, batch.positions, counts, blank=blank, reduction="sum", zero_infinity=True
        )
        return loss / counts.sum()
