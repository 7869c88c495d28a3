"""Records that wait, and none of their partition comes to an end: what a consumer that went quiet looks like.

Faust can stop polling without a word (full buffers, a fetcher that died). Then nothing is in work that could be called
stuck, and only the broker knows that there is something to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vta_stream.stream.acks import Partition


@dataclass
class Stalls:
    """Of one agent. Times are of one monotonic clock, in seconds."""

    _since: dict[Partition, tuple[int, float]] = field(default_factory=dict)

    def look(self, waiting: Mapping[Partition, int], now_s: float) -> None:
        """`waiting` has the next offset of each partition that has records behind it; the others are left out."""
        self._since = {
            partition: self._since[partition] if self._since.get(partition, (-1, 0.0))[0] == offset else (offset, now_s)
            for partition, offset in waiting.items()
        }

    def longest(
        self, now_s: float, but_not: Callable[[Partition], bool] = lambda partition: False
    ) -> tuple[float, Partition, int] | None:
        """For how long, where, and which offset waits there first; None if nothing waits or all moves."""
        found = [(partition, since) for partition, since in self._since.items() if not but_not(partition)]
        if not found:
            return None
        partition, (offset, since_s) = min(found, key=lambda item: item[1][1])
        return now_s - since_s, partition, offset
