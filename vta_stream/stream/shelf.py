"""Messages of the retries topic that are not due yet: a small shelf, and the topic itself for the rest."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

from vta_stream.stream.batching import Work

COUNT_MAX = 500
BYTES_MAX = 32 * 1024 * 1024
ROTATE_AFTER_S = 30.0


class Shelf:
    """Holds works until they are due, within a bound.

    A full shelf pauses its topic by `set_flow(False)` and opens it again by `set_flow(True)` below half. What
    is due late would then hide what is due soon behind it, and would hold back the commit too. So after half
    a minute of being full, `to_rotate` names the half that is due last: that goes to the topic's end again.
    """

    def __init__(self, set_flow: Callable[[bool], None], count_max: int = COUNT_MAX, bytes_max: int = BYTES_MAX):
        self._set_flow = set_flow
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._heap: list[tuple[float, int, Work]] = []
        self._order = itertools.count()
        self._bytes = 0
        self._full_since_s: float | None = None
        self._changed = asyncio.Event()

    def put(self, work: Work) -> None:
        """Shelve one. Never refuses: the pause takes effect a few messages later."""
        heapq.heappush(self._heap, (work.message.not_before_s, next(self._order), work))
        self._bytes += work.message.size_bytes
        self._changed.set()
        if len(self._heap) >= self._count_max or self._bytes >= self._bytes_max:
            if self._full_since_s is None:
                self._full_since_s = time.time()
            self._set_flow(False)  # each time: a rebalance opens what was paused

    async def wait_due(self) -> None:
        """Return when something is due or has to be rotated, or a moment too early."""
        now_s = time.time()
        next_s = self._heap[0][0] if self._heap else float("inf")
        if self._full_since_s is not None:
            next_s = min(next_s, self._full_since_s + ROTATE_AFTER_S)
        if next_s <= now_s:
            return
        self._changed.clear()
        try:
            async with asyncio.timeout(min(next_s - now_s, 3600)):
                await self._changed.wait()
        except TimeoutError:
            return

    def pop_due(self) -> Work | None:
        """The work that has been due for longest, or None."""
        if not self._heap or self._heap[0][0] > time.time():
            return None
        work = heapq.heappop(self._heap)[2]
        self._removed(work)
        return work

    def to_rotate(self) -> list[Work]:
        """Works to be sent to the topic's end again and then to be finished; nothing most of the time."""
        if self._full_since_s is None or time.time() < self._full_since_s + ROTATE_AFTER_S:
            return []
        self._heap.sort()
        cut = len(self._heap) // 2
        latest = [entry[2] for entry in self._heap[cut:]]
        del self._heap[cut:]
        for work in latest:
            self._removed(work)
        return latest

    def drop_lost(self) -> list[Work]:
        """Take out what is lost."""
        lost = [entry[2] for entry in self._heap if entry[2].lost]
        self._heap = [entry for entry in self._heap if not entry[2].lost]
        heapq.heapify(self._heap)
        for work in lost:
            self._removed(work)
        return lost

    def _removed(self, work: Work) -> None:
        self._bytes -= work.message.size_bytes
        below = len(self._heap) <= self._count_max // 2 and self._bytes <= self._bytes_max // 2
        if self._full_since_s is not None and below:
            self._full_since_s = None
            self._set_flow(True)

    def __len__(self) -> int:
        return len(self._heap)
