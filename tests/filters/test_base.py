from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import clip
from vta_stream.domain.scores import Scores
from vta_stream.filters.base import LimitFilter

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@dataclass(frozen=True)
class Loudness(LimitFilter):
    name: ClassVar[str] = "quiet"
    needs: ClassVar[str] = "loudness"
    unit: ClassVar[str] = " dB"


def judge(value: float, minimum: float | None = None, maximum: float | None = None):  # type: ignore[no-untyped-def]
    return Loudness(minimum, maximum).judge(clip(scores=Scores({"loudness": value})))


def test_the_violated_side_decides() -> None:
    low, high = judge(1, 2, 8), judge(9, 2, 8)
    assert (low.keep, low.limit, low.reason) == (False, 2, "loudness is 1 dB, below the minimum of 2 dB")
    assert (high.keep, high.limit, high.reason) == (False, 8, "loudness is 9 dB, above the maximum of 8 dB")


def test_the_nearer_side_is_named_when_kept() -> None:
    assert judge(3, 2, 8).limit == 2
    assert judge(7, 2, 8).limit == 8
    assert judge(3, 2, 8).reason == "loudness is 3 dB, not below the minimum of 2 dB"


def test_without_limits_everything_is_kept() -> None:
    verdict = judge(-1e9)
    assert (verdict.keep, verdict.limit, verdict.value) == (True, None, -1e9)


def test_limits_the_wrong_way_round() -> None:
    with pytest.raises(ValueError, match="minimum 3 is above the maximum 2"):
        Loudness(3, 2)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_keeps_exactly_what_lies_within(value: float, one: float, other: float) -> None:
    minimum, maximum = sorted((one, other))
    verdict = judge(value, minimum, maximum)
    assert verdict.keep == (minimum <= value <= maximum)
    assert verdict.limit in (minimum, maximum)
