"""Ordered acknowledgement: of each partition only the contiguous finished prefix is ever committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Partition(NamedTuple):
    """A partition of a topic, by the topic's full name on the broker."""

    topic: str
    number: int


class Seen(Enum):
    """What is known of an offset that has just arrived."""

    NEW = "new"
    IN_WORK = "in work"
    FINISHED = "finished"
    REWOUND = "rewound"
    """Below what was committed: the topic was made anew or the group's offsets were reset."""
    AHEAD = "ahead"
    """What lies before it has not come. It has to be read from `expected` on, and comes again then."""


@dataclass(slots=True)
class _Window:
    """The offsets of one partition from the first unfinished one on, in order of arrival."""

    next_offset: int | None = None
    """What to commit: every offset seen below it is finished. None before the first finished one."""
    confirmed: int = 0
    """What the broker is known to have committed."""
    read_again_from: int | None = None
    """Since a rebalance, until something new arrives: records from here on may come again, and mean nothing."""
    dirty: bool = False
    unfinished: dict[int, float] = field(default_factory=dict)
    """In ascending order of offset; the value is the record's time (Unix seconds)."""
    finished: set[int] = field(default_factory=set)
    """Finished ones above the first unfinished one."""
    last_seen: int = -1
    begins: int | None = None
    """Where the reading began, until something has come."""
    doubted: int | None = None
    """What came too early. If it comes again with nothing before it, the log has a gap there."""

    @property
    def expected(self) -> int | None:
        return self.last_seen + 1 if self.last_seen >= 0 else self.begins


class OrderedAcks:
    """Which offsets are in work and what may be committed, of all partitions of one consumer.

    Offsets of a partition arrive in ascending order, and again after a rebalance, from the committed offset on. What
    is in work or finished here is recognised then, so that it is not done twice. The log may have gaps (retention,
    a transaction's marker), but so may what a consumer delivers of it: a gap is believed when it was seen twice.
    Not safe for threads; used on one event loop.
    """

    def __init__(self) -> None:
        self._windows: dict[Partition, _Window] = {}

    def arrive(self, partition: Partition, offset: int, timestamp_s: float) -> Seen:
        """Take note of a record. Only a NEW one has to be worked on; a REWOUND one is not taken note of."""
        window = self._windows.setdefault(partition, _Window())
        if offset < window.confirmed and (window.read_again_from is None or offset < window.read_again_from):
            return Seen.REWOUND
        if offset in window.unfinished:
            return Seen.IN_WORK
        if offset <= window.last_seen:
            # Everything up to last_seen was taken in or lies in a gap of the log.
            window.dirty = window.next_offset is not None
            return Seen.FINISHED
        expected = window.expected
        if expected is not None and offset > expected and offset != window.doubted:
            window.doubted = offset if window.doubted is None else min(offset, window.doubted)
            return Seen.AHEAD
        window.doubted = None
        window.last_seen = offset
        window.read_again_from = None
        window.unfinished[offset] = timestamp_s
        return Seen.NEW

    def finish(self, partition: Partition, offset: int) -> None:
        """The work on an offset is over and all it led to is safe. Unknown ones (revoked) are passed over."""
        window = self._windows.get(partition)
        if window is None or offset not in window.unfinished:
            return
        del window.unfinished[offset]
        window.finished.add(offset)
        first = next(iter(window.unfinished), window.last_seen + 1)
        done = [value for value in window.finished if value < first]
        if done:
            window.finished.difference_update(done)
            window.next_offset = max(done) + 1
            window.dirty = True

    def rebalance(self) -> None:
        """A rebalance begins: what is kept is read again from what the broker has by now, or a later commit."""
        for window in self._windows.values():
            if window.read_again_from is None:
                window.read_again_from = window.confirmed

    def begin(self, partition: Partition, offset: int) -> None:
        """The broker has this partition read from there on."""
        self._windows.setdefault(partition, _Window()).begins = offset

    def expected(self, partition: Partition) -> int | None:
        """The offset that has to come next if the log has no gap there, None if that is not known."""
        window = self._windows.get(partition)
        return None if window is None else window.expected

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These partitions are somebody else's now."""
        for partition in partitions:
            self._windows.pop(partition, None)

    def holds(self, partition: Partition, offset: int) -> bool:
        """True while the offset is in work and its partition is ours."""
        window = self._windows.get(partition)
        return window is not None and offset in window.unfinished

    def take_commits(self) -> dict[Partition, int]:
        """The next offset of each partition where it moved since the last call."""
        found = {}
        for partition, window in self._windows.items():
            if window.dirty and window.next_offset is not None:
                found[partition] = window.next_offset
                window.dirty = False
        return found

    def confirm(self, commits: Mapping[Partition, int]) -> None:
        """The broker took these commits."""
        for partition, offset in commits.items():
            if partition in self._windows:
                self._windows[partition].confirmed = offset

    def put_back(self, partitions: Iterable[Partition]) -> None:
        """The commit of these failed: `take_commits` shall name them again."""
        for partition in partitions:
            if partition in self._windows:
                self._windows[partition].dirty = True

    def next_offset(self, partition: Partition) -> int | None:
        """The offset up to which the partition is finished, None if nothing was finished here yet."""
        window = self._windows.get(partition)
        if window is None:
            return None
        if window.unfinished:
            return next(iter(window.unfinished))
        return window.next_offset

    def oldest_s(self, topic: str) -> float | None:
        """The time of the oldest record of a topic that is in work (Unix seconds), or None."""
        times = (
            timestamp_s
            for partition, window in self._windows.items()
            if partition.topic == topic
            for timestamp_s in window.unfinished.values()
        )
        return min(times, default=None)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """All partitions of which something was seen."""
        return tuple(self._windows)

    @property
    def in_work(self) -> int:
        """How many offsets are unfinished."""
        return sum(len(window.unfinished) for window in self._windows.values())
