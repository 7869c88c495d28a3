from __future__ import annotations

import numpy as np
import pytest

from tests.scorers.inputs import Given
from vta_stream.plugins import load_scorers
from vta_stream.scorers.base import best_match

TEXT = np.array([1.0, 0.0], dtype=np.float32)
NEAR = np.array([0.8, 0.6], dtype=np.float32)
FAR = np.array([-0.6, 0.8], dtype=np.float32)


@pytest.mark.parametrize("place", [0, 4, 7])
def test_the_best_of_first_middle_and_last(place: int) -> None:
    rows = np.stack([FAR] * 8)
    rows[place] = NEAR
    assert best_match(rows, TEXT) == pytest.approx(0.8)


@pytest.mark.parametrize("place", [1, 2, 3, 5, 6])
def test_the_frames_between_do_not_count(place: int) -> None:
    rows = np.stack([FAR] * 8)
    rows[place] = NEAR
    assert best_match(rows, TEXT) == pytest.approx(-0.6)


def test_length_does_not_matter() -> None:
    assert best_match(np.stack([NEAR * 3]), TEXT * 0.1) == pytest.approx(0.8)


def test_the_score_is_the_raw_cosine_and_left_out_without_text() -> None:
    scorer = load_scorers({"clip_match": {}})["clip_match"]
    spoken, silent = scorer.score([Given(vectors=np.stack([FAR]), text=TEXT), Given(vectors=np.stack([FAR]))])
    assert spoken.values == {"clip_match": pytest.approx(-0.6)}
    assert not silent.values
    assert not silent.failures
