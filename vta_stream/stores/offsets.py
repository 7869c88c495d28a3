"""How far each log is in the dataset. Stored in the same transaction as the rows, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from vta_stream.domain.delivery import Position
from vta_stream.ports import TerminalError

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

LogPartition = tuple[str, str, int]
"""(cluster id, topic id, partition): a cluster or topic that is made anew is another log."""

Next = dict[LogPartition, tuple[str, int]]
"""Each log's topic, by the contract's name, and next offset."""


def log_of(position: Position) -> LogPartition:
    """The log that a record lies in."""
    return position.cluster_id, position.topic_id, position.partition


class Offsets:
    """The next offset of every log, as the catalog has it, and what holds it back.

    It never passes a record that was tried and is not in, although later ones may be: its caller has yet to
    try it again or to bring it to the dead letters, and must see it again if it dies before that. The later
    ones are then known by their ids. Nothing is held back any more once records come that are all new,
    because a caller settles one batch before the next.
    """

    def __init__(self) -> None:
        self._next: Next = {}
        self._open: dict[LogPartition, set[int]] = {}
        self._tried: dict[LogPartition, int] = {}

    def load(self, lake: Lake) -> None:
        """Read what the catalog has."""
        rows = lake.rows("SELECT cluster_id, topic_id, partition, topic, next_offset FROM offsets")
        self._next = {(cluster, topic_id, part): (topic, offset) for cluster, topic_id, part, topic, offset in rows}

    def holds(self, position: Position) -> bool:
        """True if a commit has dealt with this record already."""
        return position.offset < self._next.get(log_of(position), ("", 0))[1]

    def begin(self, positions: Collection[Position]) -> None:
        """These records are about to be tried; until `settle` says otherwise, they are not in."""
        for log in {log_of(position) for position in positions}:
            offsets = {position.offset for position in positions if log_of(position) == log}
            if min(offsets) > self._tried.get(log, -1):
                self._open.pop(log, None)
            self._tried[log] = max(self._tried.get(log, -1), *offsets)
            self._open.setdefault(log, set()).update(offsets)

    def plan(self, handled: Collection[Position]) -> Next:
        """The next offsets once `handled` are in, too."""
        planned = dict(self._next)
        for position in handled:
            log = log_of(position)
            not_in = self._open.get(log, set()) - {p.offset for p in handled if log_of(p) == log}
            offset = min(position.offset + 1, *not_in) if not_in else position.offset + 1
            if offset > planned.get(log, ("", 0))[1]:
                planned[log] = (position.topic, offset)
        return planned

    def save(self, lake: Lake, planned: Next) -> None:
        """Write all of them, within the caller's transaction, if they changed. The table is a handful of rows:
        replacing them all leaves one live file, where updates would leave a trail of delete files.
        """
        if planned == self._next:
            return
        lake.execute("DELETE FROM offsets")
        lake.insert(
            "offsets",
            [
                {"cluster_id": c, "topic_id": t, "topic": topic, "partition": p, "next_offset": offset}
                for (c, t, p), (topic, offset) in sorted(planned.items())
            ],
        )

    def settle(self, handled: Collection[Position], planned: Next) -> None:
        """After the commit: `handled` are in."""
        self._next = planned
        for position in handled:
            self._open.get(log_of(position), set()).discard(position.offset)

    def check(self, ends: Mapping[LogPartition, int]) -> None:
        """TerminalError `offsets_ahead` if a log ends (`ends`: its next offset to be written) before ours.

        Then it is not the log that was read, though its ids say so, and everything that is published up to
        the stored offset would be taken for known.
        """
        for log, end in sorted(ends.items()):
            topic, offset = self._next.get(log, ("", 0))
            if offset > end:
                raise TerminalError(
                    "offsets_ahead",
                    f"the dataset has read {topic} (cluster {log[0]}, topic id {log[1]}, partition {log[2]}) up to "
                    f"offset {offset}, but that log ends at {end}: it was truncated or restored from an older copy. "
                    "Bring the log back, or delete its row from the table `offsets` to read it from its start "
                    "(what the dataset holds already is not added twice)",
                )
