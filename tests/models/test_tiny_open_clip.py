from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.models.tiny_open_clip import make_tiny_clip, make_tiny_coca


@pytest.mark.parametrize("make", [make_tiny_clip, make_tiny_coca])
def test_small_and_the_same_for_a_seed(make: Callable[..., Path], tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    one, again, other = make(tmp_path / "one"), make(tmp_path / "again"), make(tmp_path / "other", seed=1)
    assert torch.equal(torch.random.get_rng_state(), state), "nobody else's random numbers change"
    weights = [(folder / "open_clip_model.safetensors").read_bytes() for folder in (one, again, other)]
    assert weights[0] == weights[1] != weights[2]
    assert sum(file.stat().st_size for file in one.iterdir()) < 8_000_000
