from __future__ import annotations

import pytest

from vta_stream.domain.delivery import Position
from vta_stream.ports import TerminalError
from vta_stream.stores.offsets import Offsets, log_of


def at(offset: int, partition: int = 0) -> Position:
    return Position("cluster", "topic-id", "clips.embedded", partition, offset)


def attempt(offsets: Offsets, tried: list[int], failed: set[int] | None = None, raised: bool = False) -> int:
    """One commit of these records; the next offset after it."""
    offsets.begin([at(offset) for offset in tried])
    if not raised:
        handled = [at(offset) for offset in tried if offset not in (failed or set())]
        offsets.settle(handled, offsets.plan(handled))
    return next(offset for offset in range(1000) if not offsets.holds(at(offset)))


def test_the_next_offset_follows_what_is_in() -> None:
    offsets = Offsets()
    assert attempt(offsets, [0, 1, 2]) == 3
    assert attempt(offsets, [5, 6]) == 7  # a log may have gaps (compaction, transactions)


def test_a_failed_record_holds_it_back_until_the_next_batch() -> None:
    offsets = Offsets()
    assert attempt(offsets, [0, 1, 2, 3], failed={1, 2}) == 1
    assert attempt(offsets, [4, 5]) == 6


def test_a_failed_first_record_leaves_nothing_known() -> None:
    assert attempt(Offsets(), [0, 1], failed={0}) == 0


def test_a_record_that_raised_is_not_skipped_when_it_is_tried_again_after_the_others() -> None:
    offsets = Offsets()
    attempt(offsets, [0])
    attempt(offsets, [1, 2, 3], raised=True)
    # The caller tries them one by one: 2 raises again, 3 does not, and then 2 once more.
    assert attempt(offsets, [1]) == 2
    assert attempt(offsets, [2], raised=True) == 2
    assert attempt(offsets, [3]) == 2
    assert attempt(offsets, [2], raised=True) == 2
    assert attempt(offsets, [2]) == 3
    assert attempt(offsets, [4]) == 5


def test_a_record_that_raises_for_good_is_let_go_with_the_next_batch() -> None:
    offsets = Offsets()
    attempt(offsets, [0, 1, 2], raised=True)
    assert attempt(offsets, [0]) == 1
    attempt(offsets, [1], raised=True)
    assert attempt(offsets, [2]) == 1
    assert attempt(offsets, [3, 4]) == 5


def test_partitions_and_clusters_are_logs_of_their_own() -> None:
    offsets = Offsets()
    attempt(offsets, [0, 1, 2])
    assert not offsets.holds(at(0, partition=1))
    assert not offsets.holds(Position("other", "topic-id", "clips.embedded", 0, 0))
    with pytest.raises(TerminalError, match="ends at 2"):
        offsets.check({log_of(at(0)): 2})
    offsets.check({log_of(at(0)): 3, log_of(at(0, 1)): 0})
