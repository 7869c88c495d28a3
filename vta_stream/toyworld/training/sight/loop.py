"""Steps, checkpoints and the learning curve."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.toyworld.training.precision import arithmetic
from vta_stream.toyworld.training.sight.batches import Batches
from vta_stream.toyworld.training.sight.losses import (
    SCALE_MAX,
    WEIGHTS,
    crowd_losses,
    losses,
    make_heads,
    picture_losses,
)
from vta_stream.toyworld.training.sight.model import BOUNDARY, make_network
from vta_stream.toyworld.training.sight.pool import Crowds, Pool

if TYPE_CHECKING:
    import torch

_PEAK_RATE, _LAST_RATE_SHARE, _WARM_UP_STEPS = 1.2e-3, 0.01, 100
_WEIGHT_DECAY, _GRADIENT_MAX = 0.05, 1.0
_AVERAGED = 0.998
_BRIGHT_UNTIL, _CROWDS_UNTIL, _EARLY_UNTIL = 0.03, 0.2, 0.6
"""Who cannot tell a heart from a moon learns nothing from sentences about them: up to the first share of the training
it is about bright crowds alone, up to the second about all crowds, and up to the third crowds, pictures and texts take
turns; the first two at half the cost."""

_CALIBRATION_SHARE, _CALIBRATION_RATE, _CALIBRATION_AVERAGED = 0.03, 6e-5, 0.99
_CALIBRATION_BOUNDARY = 0.25
"""So many more steps in the end, as a share, with the boundary higher, so that the cosines of texts that may be true
rise over the filters' limit. Most texts of a batch are wrong, and more so than those that a filter meets: after the
training, 3.2 % of the right ones were refused, and 0.5 % of the wrong ones accepted."""

_SAVE_EVERY_S = 180.0
_REPORT_EVERY = 50
_GLANCES = 16


@dataclass(frozen=True)
class Run:
    """What decides the weights, beside the code; and where the work lies."""

    work: Path
    steps: int
    scenes: int
    crowds: int
    seed: int


class Training:
    """The network in the device's arithmetic, its weights in float32 beside it, their running mean to be exported.

    As it was, where the work folder has a checkpoint; else anew.
    """

    def __init__(self, run: Run, device: str) -> None:
        import torch

        self.run, self.device = run, device
        network = make_network(run.seed)
        network.to(self.device)
        self._modules = torch.nn.ModuleDict({"network": network, "heads": make_heads(self.device)})
        self._weights = [parameter.detach().clone() for parameter in self._modules.parameters()]
        self._mean = [weights.clone() for weights in self._weights]
        self._modules.to(arithmetic(device))
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [w for w in self._weights if w.ndim > 1], "weight_decay": _WEIGHT_DECAY},
                {"params": [w for w in self._weights if w.ndim <= 1], "weight_decay": 0.0},
            ],
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step = 0
        self.last_step = run.steps + round(run.steps * _CALIBRATION_SHARE)
        self.seconds = 0.0
        self._checkpoint = run.work / "checkpoint.pt"
        if self._checkpoint.exists():
            self._load()

    def go(
        self,
        pool: Pool,
        crowds: Crowds,
        tell: Callable[[str], None],
        glance: Callable[[Training], dict[str, float]],
    ) -> None:
        """Train to the last step. `glance` is asked now and then, and what it says goes into the curve."""
        batches = Batches(pool, crowds, self.run.seed, self.device, arithmetic(self.device))
        saved = time.monotonic()
        recent: list[dict[str, float]] = []
        started = time.monotonic()
        while self.step < self.last_step:
            recent.append(self._step(batches))
            if self.step % _REPORT_EVERY == 0:
                now = time.monotonic()
                self.seconds, started = self.seconds + now - started, now
                means = _means(recent)
                each_s, recent = self.seconds / self.step, []
                self._note({"step": self.step, "seconds": round(self.seconds), **means})
                shown = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
                left = (self.last_step - self.step) * each_s / 60
                tell(f"step {self.step}/{self.last_step}  {shown}  {left:.0f} minutes left")
            if time.monotonic() - saved > _SAVE_EVERY_S or self.step == self.last_step:
                self._save()
                saved = time.monotonic()
            if self.step % max(1, self.run.steps // _GLANCES) == 0:
                figures = glance(self)
                self._note({"step": self.step, **figures})
                tell("  ".join(["on held-out scenes:", *(f"{name} {value:.3f}" for name, value in figures.items())]))

    def state(self) -> dict[str, torch.Tensor]:
        """The averaged weights, by the names that open_clip gives them."""
        import torch

        state = {name: mean for (name, _), mean in zip(self._modules.named_parameters(), self._mean, strict=True)}
        prefix = "network."
        found = {name.removeprefix(prefix): mean for name, mean in state.items() if name.startswith(prefix)}
        scale = found["logit_scale"].exp().clamp(max=SCALE_MAX)
        return found | {"logit_scale": scale.log(), "logit_bias": torch.as_tensor(-BOUNDARY) * scale}

    def _step(self, batches: Batches) -> dict[str, float]:
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(SDPBackend.MATH):  # on a CPU, twice as fast as the fused one backwards
            found = self._losses(batches)
        total: Any = torch.stack([WEIGHTS[name] * loss for name, loss in found.items()]).sum()
        total.backward()
        parameters: list[torch.Tensor] = list(self._modules.parameters())
        for weights, parameter in zip(self._weights, parameters, strict=True):
            weights.grad = None if parameter.grad is None else parameter.grad.float()
        self._modules.zero_grad()
        torch.nn.utils.clip_grad_norm_(self._weights, _GRADIENT_MAX)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate()
        self._optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_(parameters, self._weights)
            averaged = _CALIBRATION_AVERAGED if self._calibrates else min(_AVERAGED, self.step / (self.step + 10))
            torch._foreach_lerp_(self._mean, self._weights, 1 - averaged)
        self.step += 1
        return {name: float(loss.detach()) for name, loss in found.items()}

    def _losses(self, batches: Batches) -> dict[str, torch.Tensor]:
        network, heads = self._modules["network"], self._modules["heads"]
        part, turn = self.step / self.run.steps, self.step % 3
        if part < _CROWDS_UNTIL or (part < _EARLY_UNTIL and turn == 1):
            return crowd_losses(network, heads, batches.crowd(self.step, bright=part < _BRIGHT_UNTIL))
        if part < _EARLY_UNTIL and turn == 2:
            return picture_losses(network, heads, batches.draw(self.step, texts=False))
        boundary = _CALIBRATION_BOUNDARY if self._calibrates else BOUNDARY
        return losses(network, heads, batches.draw(self.step), boundary)

    @property
    def _calibrates(self) -> bool:
        return self.step >= self.run.steps

    def _rate(self) -> float:
        if self._calibrates:
            return _CALIBRATION_RATE
        warm = min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        part = self.step / self.run.steps
        return _PEAK_RATE * warm * (_LAST_RATE_SHARE + (1 - _LAST_RATE_SHARE) * (1 + math.cos(math.pi * part)) / 2)

    def _save(self) -> None:
        """All at once: who is killed meanwhile has the checkpoint before."""
        import torch

        partial = self._checkpoint.with_suffix(".partial")
        torch.save(
            {
                "step": self.step,
                "seconds": self.seconds,
                "weights": self._weights,
                "mean": self._mean,
                "optimizer": self._optimizer.state_dict(),
            },
            partial,
        )
        partial.replace(self._checkpoint)

    def _load(self) -> None:
        import torch

        saved = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        self.step, self.seconds = saved["step"], saved["seconds"]
        with torch.no_grad():
            torch._foreach_copy_(self._weights, saved["weights"])
            torch._foreach_copy_(self._mean, saved["mean"])
            torch._foreach_copy_(list(self._modules.parameters()), self._weights)
        self._optimizer.load_state_dict(saved["optimizer"])

    def _note(self, figures: dict[str, float]) -> None:
        with (self.run.work / "curve.jsonl").open("a", encoding="utf-8") as curve:
            curve.write(json.dumps(figures) + "\n")


def _means(recent: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in recent for name in one)
    values = {name: [one[name] for one in recent if name in one] for name in names}
    return {name: sum(found) / len(found) for name, found in values.items()}
