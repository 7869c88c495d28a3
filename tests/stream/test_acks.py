from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vta_stream.stream.acks import OrderedAcks, Partition, Seen

P0, P1 = Partition("t.videos", 0), Partition("t.videos", 1)


def test_only_the_contiguous_prefix_is_committed() -> None:
    acks = OrderedAcks()
    for offset in (5, 6, 7):
        assert acks.arrive(P0, offset, 0.0) is Seen.NEW
    acks.finish(P0, 6)
    assert acks.take_commits() == {}
    acks.finish(P0, 5)
    assert acks.take_commits() == {P0: 7}
    assert acks.take_commits() == {}
    acks.finish(P0, 7)
    assert acks.take_commits() == {P0: 8}


def test_a_failed_commit_is_named_again() -> None:
    acks = OrderedAcks()
    acks.arrive(P0, 0, 0.0)
    acks.finish(P0, 0)
    assert acks.take_commits() == {P0: 1}
    acks.put_back([P0, P1])
    assert acks.take_commits() == {P0: 1}


def test_a_redelivery_joins_the_work_or_finds_it_finished() -> None:
    acks = OrderedAcks()
    for offset in (0, 1, 2):
        acks.arrive(P0, offset, 0.0)
    acks.finish(P0, 0)
    acks.finish(P0, 2)
    acks.take_commits()
    assert [acks.arrive(P0, offset, 0.0) for offset in (0, 1, 2, 3)] == [
        Seen.FINISHED,
        Seen.IN_WORK,
        Seen.FINISHED,
        Seen.NEW,
    ]
    assert acks.take_commits() == {P0: 1}, "the group rewound, so the commit has to be made again"


def test_a_revoked_partition_is_forgotten() -> None:
    acks = OrderedAcks()
    acks.arrive(P0, 0, 5.0)
    acks.arrive(P1, 9, 4.0)
    acks.forget([P0])
    acks.finish(P0, 0)
    assert not acks.holds(P0, 0)
    assert acks.holds(P1, 9)
    assert acks.take_commits() == {}
    assert acks.oldest_s("t.videos") == 4.0
    assert acks.arrive(P0, 0, 5.0) is Seen.NEW


def test_a_rewind_below_the_commit_is_told_apart_from_a_redelivery() -> None:
    acks = OrderedAcks()
    for offset in (3, 4, 5):
        acks.arrive(P0, offset, 0.0)
    acks.finish(P0, 3)
    acks.confirm(acks.take_commits())
    assert acks.arrive(P0, 4, 0.0) is Seen.IN_WORK
    assert acks.arrive(P0, 0, 0.0) is Seen.REWOUND
    acks.forget([P0])
    assert acks.arrive(P0, 0, 0.0) is Seen.NEW


def test_a_commit_that_lands_after_a_rebalance_is_no_rewind() -> None:
    """What is kept is read again from the commit of then, which may be older than the one of now."""
    acks = OrderedAcks()
    assert acks.arrive(P0, 1, 0.0) is Seen.NEW
    acks.finish(P0, 1)
    acks.rebalance()
    acks.confirm(acks.take_commits())
    assert acks.arrive(P0, 1, 0.0) is Seen.FINISHED
    assert acks.arrive(P0, 2, 0.0) is Seen.NEW
    assert acks.arrive(P0, 1, 0.0) is Seen.REWOUND, "nobody rebalanced since: the topic was made anew"


def test_a_gap_is_believed_when_it_was_seen_twice() -> None:
    acks = OrderedAcks()
    assert acks.arrive(P0, 3, 0.0) is Seen.NEW
    assert [acks.arrive(P0, offset, 0.0) for offset in (6, 7)] == [Seen.AHEAD, Seen.AHEAD]
    assert acks.expected(P0) == 4
    assert [acks.arrive(P0, offset, 0.0) for offset in (6, 7)] == [Seen.NEW, Seen.NEW]
    acks.finish(P0, 3)
    acks.finish(P0, 6)
    assert acks.take_commits() == {P0: 7}


def test_what_was_passed_over_comes_when_it_is_read_again() -> None:
    acks = OrderedAcks()
    assert acks.arrive(P0, 3, 0.0) is Seen.NEW
    acks.finish(P0, 3)
    assert acks.arrive(P0, 5, 0.0) is Seen.AHEAD
    assert acks.take_commits() == {P0: 4}, "not past what has not come"
    assert [acks.arrive(P0, offset, 0.0) for offset in (4, 5)] == [Seen.NEW, Seen.NEW]
    assert acks.arrive(P0, 7, 0.0) is Seen.AHEAD, "each gap is looked at anew"


def test_the_first_of_a_partition_may_be_passed_over_too() -> None:
    acks = OrderedAcks()
    acks.begin(P0, 3)
    assert acks.take_commits() == {}
    assert acks.arrive(P0, 4, 0.0) is Seen.AHEAD
    assert acks.expected(P0) == 3
    assert [acks.arrive(P0, offset, 0.0) for offset in (3, 4)] == [Seen.NEW, Seen.NEW]
    acks.begin(P0, 1)
    assert acks.expected(P0) == 5, "what has come is known better"


def test_a_log_that_begins_before_what_was_expected_is_taken_as_it_comes() -> None:
    """The topic was made anew with the group's old commits still there."""
    acks = OrderedAcks()
    acks.begin(P0, 100)
    assert [acks.arrive(P0, offset, 0.0) for offset in (0, 1)] == [Seen.NEW, Seen.NEW]


class AcksMachine(RuleBasedStateMachine):
    """Any order of arrivals, ends, rebalances, commits and records passed over, against a plain model of a partition.

    A record that was passed over once comes when it is asked for; else a gap could not be told from it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.acks = OrderedAcks()
        self.log: list[int] = []
        self.read = 0
        self.working: set[int] = set()
        self.ended: set[int] = set()
        self.passed_over: set[int] = set()
        self.committed = 0
        self.acks.begin(P0, 0)

    @rule(gap=st.integers(1, 3))
    def append(self, gap: int) -> None:
        self.log.append((self.log[-1] if self.log else -1) + gap)

    @precondition(lambda self: any(offset >= self.read for offset in self.log))
    @rule()
    def arrive(self) -> None:
        offset = next(offset for offset in self.log if offset >= self.read)
        self.read = offset + 1
        seen = self.acks.arrive(P0, offset, float(offset))
        if seen is Seen.AHEAD:
            expected = self.acks.expected(P0)
            assert expected is not None
            assert expected < offset
            self.read = expected
            return
        known = Seen.IN_WORK if offset in self.working else Seen.FINISHED if offset in self.ended else Seen.NEW
        assert seen is known
        if seen is Seen.NEW:
            self.working.add(offset)

    @precondition(lambda self: any(offset >= self.read for offset in self.log))
    @rule()
    def pass_over(self) -> None:
        offset = next(offset for offset in self.log if offset >= self.read)
        if offset not in self.passed_over:
            self.passed_over.add(offset)
            self.read = offset + 1

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.working)))
        self.acks.finish(P0, offset)
        self.working.discard(offset)
        self.ended.add(offset)

    @rule()
    def commit(self) -> None:
        commits = self.acks.take_commits()
        self.committed = commits.get(P0, self.committed)
        self.acks.confirm(commits)

    @rule(kept=st.booleans())
    def rebalance(self, kept: bool) -> None:
        self.acks.rebalance()
        if not kept:
            self.acks.forget([P0])
            self.working.clear()
            self.ended.clear()
        self.read = self.committed
        self.acks.begin(P0, self.committed)

    @invariant()
    def never_past_work_in_progress(self) -> None:
        assert all(offset >= self.committed for offset in self.working)

    @invariant()
    def the_rest_is_not_lost(self) -> None:
        """Everything below the commit had ended when it was made; all else is in work or will be read again."""
        assert self.acks.in_work == len(self.working)
        expected = self.acks.expected(P0)
        assert expected is not None
        for offset in self.log:
            assert offset < self.committed or offset in self.working | self.ended or offset >= min(expected, self.read)

    def teardown(self) -> None:
        self.passed_over.update(self.log)
        self.read = self.committed
        while any(offset >= self.read for offset in self.log):
            self.arrive()
        for offset in sorted(self.working):
            self.acks.finish(P0, offset)
        self.commit()
        if self.log:
            assert self.committed == self.log[-1] + 1


TestAcks = AcksMachine.TestCase
