from __future__ import annotations

import random

from vta_stream.stream.backoff import Backoff


def test_waits_double_up_to_the_longest_and_their_mean_is_half_the_ceiling() -> None:
    backoff = Backoff(2.0, 900.0, random.Random(1))
    assert [backoff.ceiling_s(attempt) for attempt in (1, 2, 3, 9, 10, 10_000)] == [4, 8, 16, 900, 900, 900]
    waits = [backoff.wait_s(1) for _ in range(4000)]
    assert 0 <= min(waits) < 0.1
    assert 3.9 < max(waits) <= 4
    assert abs(sum(waits) / len(waits) - 2.0) < 0.1


def test_in_place_never_waits_longer_than_half_a_minute() -> None:
    assert Backoff(2.0, 900.0).in_place().ceiling_s(99) == 30
    assert Backoff(100.0, 900.0).in_place().ceiling_s(1) == 30
