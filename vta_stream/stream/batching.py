"""Between Kafka and a stage: how much may be in flight, and how single messages become batches."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from vta_stream.stream.message import Message


@dataclass(slots=True, eq=False)
class Work:
    """One message on its way through the shell. Times are of the monotonic clock.

    `lost` is set when its partition went to somebody else: then nothing of it is sent or acknowledged.
    """

    message: Message
    record: Any = None
    crash_key: str = ""
    tries: int = 0
    started_at_s: float | None = None
    lost: bool = False

    @property
    def attempt(self) -> int:
        """Counts from 1, over the retries topic and the tries in place."""
        return self.message.attempt + self.tries

    def __str__(self) -> str:
        origin = self.message.origin
        return f"{origin.topic}/{origin.partition}/{origin.offset}"


class Room:
    """A bound on what is in flight, by count and by bytes; who has to wait gets in first come, first served.

    A message larger than the bound gets in when nothing else is there.
    """

    def __init__(self, count_max: int, bytes_max: int) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._count = 0
        self._bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size_bytes: int) -> None:
        """Wait for room and take it."""
        if not self._waiting and self._fits(size_bytes):
            self._take(size_bytes)
            return
        entry = (size_bytes, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await entry[1]
        except asyncio.CancelledError:
            if entry[1].done() and not entry[1].cancelled():
                self.release(size_bytes)
            else:
                self._waiting.remove(entry)
                self._let_in()
            raise

    def release(self, size_bytes: int) -> None:
        """Give room back."""
        self._count -= 1
        self._bytes -= size_bytes
        self._let_in()

    @property
    def count(self) -> int:
        """How many are in."""
        return self._count

    @property
    def waiting(self) -> int:
        """How many wait to get in."""
        return len(self._waiting)

    def _fits(self, size_bytes: int) -> bool:
        return self._count == 0 or (self._count < self._count_max and self._bytes + size_bytes <= self._bytes_max)

    def _take(self, size_bytes: int) -> None:
        self._count += 1
        self._bytes += size_bytes

    def _let_in(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size_bytes, entry = self._waiting.popleft()
            if not entry.done():
                self._take(size_bytes)
                entry.set_result(None)


class Intake:
    """The queue before the slots.

    A slot that waits is handed its batch at once, by whoever brings the last work of it: with a lock in between,
    each handing over would cost a turn of the event loop, and a busy loop turns some hundred times a second.
    """

    def __init__(self, batch_max: int, batch_wait_s: float) -> None:
        self._batch_max = batch_max
        self._batch_wait_s = batch_wait_s
        self._queue: deque[Work] = deque()
        self._slots: deque[asyncio.Future[list[Work]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def put(self, work: Work) -> None:
        """Queue one; bounded by the Room that it came through."""
        self._queue.append(work)
        self._deal()

    def close(self) -> list[Work]:
        """No more batches. Returns what was not begun."""
        self._closed = True
        self._stop_timer()
        while self._slots:
            self._hand([])
        left = list(self._queue)
        self._queue.clear()
        return left

    async def next_batch(self) -> list[Work]:
        """The next works in order: up to `batch_max`, as many as come while the first slot waits `batch_wait_s`.

        Empty once the intake is closed.
        """
        if self._closed:
            return []
        slot: asyncio.Future[list[Work]] = asyncio.get_running_loop().create_future()
        self._slots.append(slot)
        self._deal()
        try:
            return await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self._queue.extendleft(reversed(slot.result()))
                self._deal()
            raise

    def _deal(self) -> None:
        """Hand out all batches that are full, and begin to wait for the rest of one that is not."""
        while self._slots and self._queue:
            if len(self._queue) < self._batch_max and self._batch_wait_s > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(self._batch_wait_s, self._hand_rest)
                return
            self._stop_timer()
            self._hand([self._queue.popleft() for _ in range(min(self._batch_max, len(self._queue)))])

    def _hand_rest(self) -> None:
        self._timer = None
        if self._slots and self._queue:
            self._hand([self._queue.popleft() for _ in range(min(self._batch_max, len(self._queue)))])
        self._deal()

    def _hand(self, batch: list[Work]) -> None:
        while self._slots:
            slot = self._slots.popleft()
            if not slot.done():  # else its waiter was cancelled
                slot.set_result(batch)
                return
        self._queue.extendleft(reversed(batch))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        return len(self._queue)
