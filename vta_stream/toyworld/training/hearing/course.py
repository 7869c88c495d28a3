"""The course: lessons from one sentence up to whole windows. Killed at any time, it goes on where it was saved."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader

from vta_stream.toyworld.training.hearing.network import Hearing
from vta_stream.toyworld.training.hearing.pieces import Pieces, make_pieces
from vta_stream.toyworld.training.hearing.recordings import load, record
from vta_stream.toyworld.training.hearing.windows import Batch, Lesson, Windows
from vta_stream.toyworld.training.precision import arithmetic
from vta_stream.toyworld.world.realm import Realm, rng_of
from vta_stream.toyworld.world.sentences import draw_sentence

LESSONS = (
    Lesson(2400, 24, 1),
    Lesson(600, 14, 2),
    Lesson(3000, 16, 6, full=True),
)
"""With half of the steps a thousand voices were not told apart yet, and each longer window doubled the loss."""

VOICES = 1000
SPELT_SENTENCES = 6000
"""From so many sentences the pieces are learnt."""

_LEARNING_RATE, _LAST_RATE, _WARM_UP_STEPS = 1.5e-3, 1.5e-5, 100
_SAVE_EVERY_S, _TELL_EVERY = 150.0, 20


def train(
    work: Path,
    seed: int,
    device: str,
    tell: Callable[[str], None],
    lessons: Sequence[Lesson] = LESSONS,
    voices: int = VOICES,
) -> None:
    """Take the course in `work`, which gets recordings, `pieces.json`, `checkpoint.pt`, and `curve.jsonl`."""
    record(work / "recordings", voices, seed, tell)
    speakers, pieces = load(work / "recordings"), find_pieces(work, seed)
    torch.manual_seed(seed)
    pupil = _Pupil(Hearing(pieces), lessons, device)
    first = pupil.resume(work / "checkpoint.pt")
    tell(f"{sum(one.numel() for one in pupil.network.whisper.parameters())} parameters; from step {first}")
    saved_s = told_s = time.monotonic()
    lately: list[dict[str, float]] = []
    with (work / "curve.jsonl").open("a", encoding="utf-8") as curve:
        for step, batch in _batches(Windows(speakers, pieces, lessons, seed), first):
            lately.append(pupil.learn(step, batch.to(device)))
            now_s = time.monotonic()
            if (step + 1) % _TELL_EVERY == 0:
                row = {"step": step + 1, **_mean(lately)}
                curve.write(json.dumps(row) + "\n")
                curve.flush()
                tell(f"{row} {(now_s - told_s) / len(lately):.2f} s a step")
                told_s, lately = now_s, []
            if now_s - saved_s > _SAVE_EVERY_S or step + 1 == pupil.steps:
                pupil.save(work / "checkpoint.pt", step + 1)
                saved_s = now_s


def find_pieces(work: Path, seed: int) -> Pieces:
    """The pieces of this work folder; made the first time."""
    path = work / "pieces.json"
    if not path.is_file():
        rng = rng_of(Realm.TRAINING, seed, "pieces")
        made = make_pieces([draw_sentence(rng, Realm.TRAINING) for _ in range(SPELT_SENTENCES)])
        made.tokenizer.save(str(path.with_suffix(".part")))
        path.with_suffix(".part").replace(path)
    return Pieces(Tokenizer.from_file(str(path)))


class _Pupil:
    """The network in the arithmetic of the device, and its weights in float32 to which the steps are added."""

    def __init__(self, network: Hearing, lessons: Sequence[Lesson], device: str) -> None:
        self.network = network.to(device)
        self.steps = sum(lesson.steps for lesson in lessons)
        # The CTC head is for finding out what sounds are; that is known by then.
        self._sounds_until = self.steps - sum(lesson.steps for lesson in lessons if lesson.full)
        self._own = [one for _, one in _learnt(network)]
        self._masters = [one.detach().float().clone() for one in self._own]
        network.to(arithmetic(device))
        self._optimizer = torch.optim.AdamW(self._masters, lr=_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)

    def learn(self, step: int, batch: Batch) -> dict[str, float]:
        """One step; the losses before it."""
        losses = self.network.losses(batch, sounds=step < self._sounds_until)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        for master, own in zip(self._masters, self._own, strict=True):
            master.grad = torch.zeros_like(master) if own.grad is None else own.grad.float()
            own.grad = None
        norm = torch.nn.utils.clip_grad_norm_(self._masters, 1.0)
        rate = _rate(step, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._put()
        return {name: float(loss.detach()) for name, loss in losses.items()} | {"norm": float(norm), "rate": rate}

    def save(self, path: Path, step: int) -> None:
        """Either wholly or not at all."""
        partial = path.with_suffix(".part")
        state = {"step": step, "masters": self._masters, "optimizer": self._optimizer.state_dict()}
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def resume(self, path: Path) -> int:
        """The step to go on with."""
        if not path.is_file():
            self._put()
            return 0
        state: dict[str, Any] = torch.load(path, map_location=self._masters[0].device)
        for master, saved in zip(self._masters, state["masters"], strict=True):
            master.copy_(saved)
        self._optimizer.load_state_dict(state["optimizer"])
        self._put()
        return int(state["step"])

    @torch.no_grad()
    def _put(self) -> None:
        for own, master in zip(self._own, self._masters, strict=True):
            own.copy_(master)


def weights(work: Path, seed: int) -> tuple[Hearing, Pieces, int]:
    """The network as it was saved last, in float32, its pieces, and the steps it has taken."""
    pieces = find_pieces(work, seed)
    network = Hearing(pieces)
    state = torch.load(work / "checkpoint.pt", map_location="cpu")
    with torch.no_grad():
        for (_, one), saved in zip(_learnt(network), state["masters"], strict=True):
            one.copy_(saved)
    return network, pieces, int(state["step"])


def _learnt(network: Hearing) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, one) for name, one in network.named_parameters() if one.requires_grad]


def _batches(windows: Windows, first: int) -> Iterator[tuple[int, Batch]]:
    steps = range(first, len(windows))
    loader = DataLoader(windows, batch_size=None, sampler=steps, num_workers=1, prefetch_factor=8)
    return zip(steps, loader, strict=True)


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    names = {name: None for row in rows for name in row}
    return {name: round(fmean(row[name] for row in rows if name in row), 5) for name in names}


def _rate(step: int, steps: int) -> float:
    if step < _WARM_UP_STEPS:
        return _LEARNING_RATE * (step + 1) / _WARM_UP_STEPS
    done = (step - _WARM_UP_STEPS) / max(1, steps - _WARM_UP_STEPS)
    return _LAST_RATE + (_LEARNING_RATE - _LAST_RATE) * (1 + math.cos(math.pi * done)) / 2
