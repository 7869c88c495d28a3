"""What is done to windows so that they teach more than they are."""

from __future__ import annotations

import random

import numpy as np

from vta_stream.toyworld.training.hearing.windows import masked


def test_a_masked_window_lacks_whole_bands_and_is_as_it_was_elsewhere() -> None:
    rng = random.Random(1)
    features = np.random.default_rng(1).random((80, 300), dtype=np.float32)
    gone = []
    for _ in range(100):
        found = masked(rng, features)
        lacking = (found == features.min()).all(axis=1)
        assert np.array_equal(found[~lacking], features[~lacking])
        gone.append(int(lacking.sum()))
    assert 20 < sum(count > 0 for count in gone) < 60
    assert max(gone) <= 24
