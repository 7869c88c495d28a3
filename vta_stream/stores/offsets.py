"""How far each log is in the dataset. Stored in the same transaction as the rows, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vta_stream.domain.delivery import Position
from vta_stream.ports import TerminalError

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

LogPartition = tuple[str, str, int]
"""(cluster id, topic id, partition): a cluster or topic that is made anew is another log."""


def log_of(position: Position) -> LogPartition:
    """The log that a record lies in."""
    return position.cluster_id, position.topic_id, position.partition


class Offsets:
    """The next offset of every log, as the catalog has it."""

    def __init__(self) -> None:
        self._next: dict[LogPartition, tuple[str, int]] = {}

    def load(self, lake: Lake) -> None:
        """Read what the catalog has."""
        rows = lake.rows("SELECT cluster_id, topic_id, partition, topic, next_offset FROM offsets")
        self._next = {(cluster, topic_id, part): (topic, offset) for cluster, topic_id, part, topic, offset in rows}

    def holds(self, position: Position) -> bool:
        """True if a commit has dealt with this record already."""
        return position.offset < self._next.get(log_of(position), ("", 0))[1]

    def after(self, handled: Iterable[Position], failed: Iterable[Position]) -> Offsets:
        """The offsets once `handled` is committed and `failed` is not.

        They never pass a failed record, although later ones are in: the shell still has to bring it to the
        dead letters, and must see it again if it dies before. The later ones are then known by their ids.
        """
        held_back: dict[LogPartition, int] = {}
        for position in failed:
            log = log_of(position)
            held_back[log] = min(position.offset, held_back.get(log, position.offset))
        later = Offsets()
        later._next = dict(self._next)
        for position in handled:
            log = log_of(position)
            offset = min(position.offset + 1, held_back.get(log, position.offset + 1))
            if offset > later._next.get(log, ("", 0))[1]:
                later._next[log] = (position.topic, offset)
        return later

    def save(self, lake: Lake) -> None:
        """Write all of them, within the caller's transaction. The table is a handful of rows: replacing them
        all leaves one live file, where updates would leave a trail of delete files.
        """
        lake.execute("DELETE FROM offsets")
        lake.insert(
            "offsets",
            [
                {"cluster_id": c, "topic_id": t, "topic": topic, "partition": p, "next_offset": offset}
                for (c, t, p), (topic, offset) in sorted(self._next.items())
            ],
        )

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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Offsets) and self._next == other._next

    __hash__ = None  # type: ignore[assignment]
