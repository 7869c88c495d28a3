"""Reading again what Faust's consumer has fetched and not delivered.

Faust drops what it holds when a rebalance begins, and trusts that all is read again from the commit. That fails where
nothing has been committed yet, since aiokafka then leaves the position where it is; the next commit would go past what
was dropped. So positions are set everywhere here, and what is missing all the same is asked for (`Seen.AHEAD`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from vta_stream.stream.acks import Partition
from vta_stream.stream.client import ConsumerClient
from vta_stream.stream.noise import of_broker

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 5.0
"""What was asked for is asked for again after so long: by then, all that had been fetched before has come."""


class _NothingRead(dict[Any, Any]):
    """Faust passes over offsets below the last one; the shell recognises repeats itself, and some it has asked for."""

    def __getitem__(self, key: Any) -> None:
        return None


class Rereading:
    """Of the consumer of one Faust app. `begins` is told where a partition is read from, at each rebalance."""

    def __init__(self, consumer: Any, client: ConsumerClient, begins: Callable[[Partition, int], None]) -> None:
        self._client = client
        self._begins = begins
        self._asked: dict[Partition, tuple[int, float]] = {}
        self._ends: dict[Partition, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        consumer.seek_to_committed = self._seek_all
        consumer._read_offset = _NothingRead()

    def ask(self, partition: Partition, offset: int) -> None:
        """Have the partition read from there on; not more than once in AGAIN_AFTER_S seconds."""
        asked, at_s = self._asked.get(partition, (-1, 0.0))
        if asked == offset and time.monotonic() < at_s + AGAIN_AFTER_S:
            return
        self._asked[partition] = (offset, time.monotonic())
        task = asyncio.create_task(self._ask(partition, offset), name=f"reading {partition} again")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ask_at_end(self, partition: Partition, offset: int) -> None:
        """Nothing came from there to the log's end. Ask once; if nothing comes then, the broker has nothing there."""
        if self._ends.get(partition) != offset:
            self._ends[partition] = offset
            self.ask(partition, offset)

    async def _ask(self, partition: Partition, offset: int) -> None:
        log.warning("%s %d: nothing was delivered from offset %d on; reading it again", *partition, offset)
        try:
            await self._client.seek(partition, offset)
        except Exception as error:  # noqa: BLE001 - of many kinds; what is missing shows, and is asked for again
            of_broker.info("%s %d: not to be read again now: %r", *partition, error)

    async def _seek_all(self) -> dict[Any, int | None]:
        """Seek to the commits, and to the beginning where there is none. Returns the commits, as Faust wants them."""
        committed, starts = await self._client.seek_to_commits()
        for tp, offset in committed.items():
            partition = Partition(tp.topic, tp.partition)
            self._begins(partition, starts.get(partition, offset or 0))
        return committed
