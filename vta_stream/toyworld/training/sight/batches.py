"""Batches: pictures of the pool, texts drawn anew each time, and the truth of all texts of all pictures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vta_stream.toyworld.training.sight.drawing import Text, caption, joined, true_and_wrong
from vta_stream.toyworld.training.sight.facts import KINDS, Bools, Facts, centres_of, mirrored, truth_table
from vta_stream.toyworld.training.sight.model import CONTEXT, PAD, make_tokenizer, vocabulary
from vta_stream.toyworld.training.sight.pool import Crowds, Pool
from vta_stream.toyworld.world.vocabulary import COLOURS, FILLERS, FOREIGN, PLACES, RELATIONS

if TYPE_CHECKING:
    import torch

PICTURES = 24
"""So few, because each patch of each is a lesson: for the same time, 16 taught more than 32, and 64 least."""
_PAIRS = 1
_INVERSE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "above": "below",
    "below": "above",
}
_STRANGERS = 6
"""Texts a batch that describe nothing: fillers, and words that are unknown."""


@dataclass(frozen=True)
class CrowdBatch:
    """`seen` is as in Batch, without counts."""

    pixels: torch.Tensor
    seen: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """`truth` and `own` are texts x pictures; `own` marks a text's own picture, `seen` (pictures x patches x 4) says
    what each patch shows; `groups`, `places` and `relations` are as in FACTS, `centres` as `centres_of` says, `where`
    as `where_of`.

    The texts lie in parts, each as wide as its longest text and one pad; the first are the captions, one a picture.
    """

    pixels: torch.Tensor
    tokens: tuple[torch.Tensor, ...]
    where: torch.Tensor
    truth: torch.Tensor
    own: torch.Tensor
    seen: torch.Tensor
    groups: torch.Tensor
    centres: torch.Tensor
    places: torch.Tensor
    relations: torch.Tensor


class Tokens:
    """Texts to rows of token ids, as wide as the longest and one pad; what is beyond the context is cut off."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._tokenizer = make_tokenizer()
        self._tokenizer.enable_truncation(CONTEXT - 1)
        self._tokenizer.enable_padding(pad_id=vocabulary().index(PAD), pad_token=PAD)

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Of shape (len(texts), width)."""
        import torch

        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        return torch.nn.functional.pad(torch.tensor(rows), (0, 1)).to(self._device)


class Batches:
    """Draws batches from a pool; the n-th batch is the same in every run with the same seed and pool."""

    def __init__(self, pool: Pool, crowds: Crowds, seed: int, device: str, dtype: torch.dtype) -> None:
        self._pool, self._crowds, self._seed = pool, crowds, seed
        self._device, self._dtype = device, dtype
        self._tokens = Tokens(device)

    def draw(self, number: int, *, texts: bool = True) -> Batch:
        """The batch of this number; its texts cost time, and may be left out."""
        import torch

        chance = np.random.default_rng([self._seed, number])
        rows = np.sort(chance.integers(0, len(self._pool.frames), PICTURES))
        frames, facts = self._pool.frames[rows], self._pool.facts[rows]
        turned = chance.random(PICTURES) < 0.5
        frames[turned], facts[turned] = frames[turned][:, :, ::-1], mirrored(facts[turned])
        seen = np.concatenate([np.zeros((PICTURES, 1, 4), np.int8), facts["groups"]], axis=1)
        seen = np.take_along_axis(seen, facts["patches"].reshape(PICTURES, -1, 1).astype(np.int64), axis=1)
        drawn, owners = self._texts(facts, random.Random(f"{self._seed}/{number}")) if texts else ([], [])
        long = PICTURES + (len(drawn) - PICTURES) * 3 // 4
        parts = (drawn[:PICTURES], drawn[PICTURES:long], drawn[long:])
        return Batch(
            self._pixels(frames, chance),
            tuple(self._tokens([text.text for text in part]) for part in parts if part),
            torch.from_numpy(where_of(drawn)).to(self._device),
            torch.from_numpy(truth_of(drawn, facts).astype(np.float32)).to(self._device),
            torch.from_numpy(np.array(owners)[:, None] == np.arange(PICTURES)).to(self._device),
            torch.from_numpy(seen.astype(np.int64)).to(self._device),
            torch.from_numpy(facts["groups"].astype(np.int64)).to(self._device),
            torch.from_numpy(centres_of(facts)).to(self._device),
            torch.from_numpy(facts["places"].astype(np.float32)).to(self._device),
            torch.from_numpy(facts["relations"].astype(np.float32)).to(self._device),
        )

    def crowd(self, number: int, *, bright: bool = False) -> CrowdBatch:
        """The crowds of this number; of the bright ones alone, if asked for."""
        import torch

        chance = np.random.default_rng([self._seed, number, 1])
        among = self._crowds.bright if bright else len(self._crowds.frames)
        rows = np.sort(chance.integers(0, among, PICTURES))
        seen = torch.from_numpy(self._crowds.seen[rows].astype(np.int64)).to(self._device)
        return CrowdBatch(self._pixels(self._crowds.frames[rows], chance), seen)

    def _texts(self, facts: Facts, rng: random.Random) -> tuple[list[Text], list[int]]:
        """The captions, then all other texts by their length, and whose each is: the picture's index, or -1."""
        texts: list[Text] = []
        owners: list[int] = []
        for index, one in enumerate(facts):
            for _ in range(_PAIRS):
                texts += true_and_wrong(one, rng)
                owners += [index, index]
        strangers = [*FILLERS, *(text for group in FOREIGN.values() for text in group)]
        texts += [Text(rng.choice(strangers), ()) for _ in range(_STRANGERS)]
        owners += [-1] * _STRANGERS
        order = sorted(range(len(texts)), key=lambda index: texts[index].text.count(" "))
        captions = [joined([caption(one, rng)], []) for one in facts]
        return captions + [texts[index] for index in order], [*range(PICTURES), *(owners[index] for index in order)]

    def _pixels(self, frames: npt.NDArray[np.uint8], chance: np.random.Generator) -> torch.Tensor:
        """As the network takes them: -1 to 1, channels first; lightness and contrast a little off."""
        import torch

        gain = torch.from_numpy(chance.uniform(0.88, 1.12, (len(frames), 1, 1, 1)).astype(np.float32))
        shift = torch.from_numpy(chance.uniform(-0.08, 0.08, (len(frames), 1, 1, 1)).astype(np.float32))
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
        return (pixels * gain + shift).clamp(-1, 1).to(self._device, self._dtype)


def truth_of(texts: list[Text], facts: Facts) -> Bools:
    """Texts x pictures: a text holds if all that it states holds; what states nothing holds of no picture."""
    numbers = [numbers for text in texts for numbers in text.statements]
    table = truth_table(np.array(numbers, dtype=np.int8).reshape(-1, 10), facts)
    truth = np.zeros((len(texts), len(facts)), dtype=np.bool_)
    first = 0
    for row, text in enumerate(texts):
        if text.statements:
            truth[row] = table[first : first + len(text.statements)].all(axis=0)
            first += len(text.statements)
    return truth


def where_of(texts: list[Text]) -> npt.NDArray[np.int64]:
    """Rows of (text, key, predicate), of all texts that are one sentence about where something is.

    A key is what the sentence calls it: one of the colours, or, after them, of the shapes; two rows where it says both.
    Predicates are the places, and after them the relations. What something is to the left of is to its right: who was
    not asked for both said "left" of all that a sentence names.
    """
    rows: list[tuple[int, int, int]] = []
    for index, text in enumerate(texts):
        if len(text.statements) != 1:
            continue
        kind, predicate, *numbers = text.statements[0]
        if kind == KINDS.index("place"):
            rows += [(index, key, predicate) for key in _keys(numbers[:4])]
        if kind == KINDS.index("relation"):
            rows += [(index, key, len(PLACES) + predicate) for key in _keys(numbers[:4])]
            inverse = _INVERSE.get(RELATIONS[predicate])
            if inverse:
                rows += [(index, key, len(PLACES) + RELATIONS.index(inverse)) for key in _keys(numbers[4:])]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _keys(mention: list[int]) -> list[int]:
    _, _, colour, shape = mention
    return [*([colour - 1] if colour else []), *([len(COLOURS) + shape - 1] if shape else [])]
