"""How far an agent is behind its topics, and whether it still moves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Any

from vta_stream import metrics
from vta_stream.stream.acks import Partition
from vta_stream.stream.client import ConsumerClient
from vta_stream.stream.rereading import Rereading
from vta_stream.stream.shell import Shell
from vta_stream.stream.slots import WorkerError
from vta_stream.stream.stalls import Stalls

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
POSITION_TIMEOUT_S = 2.0
DEAF_AFTER_S = 120.0
"""A consumer that brings nothing for so long, or for four sessions, though something waits, never will."""


class LagWatch:
    """Of one agent. `contract` has the contract's name of each topic's full name, `retries` is one of the latter.

    What the consumer has handed over and the shell has not taken yet is in `queues`, which the agent fills.
    """

    def __init__(
        self,
        shell: Shell,
        group: str,
        contract: Mapping[str, str],
        retries: str,
        client: ConsumerClient,
        rereading: Rereading,
        session_timeout_s: float,
    ) -> None:
        self.queues: list[asyncio.Queue[Any]] = []
        self._shell, self._group = shell, group
        self._contract, self._retries = contract, retries
        self._client, self._rereading = client, rereading
        self._stalls = Stalls()
        self._deaf_after_s = max(DEAF_AFTER_S, 4 * session_timeout_s)

    async def look(self, partitions: Collection[Partition]) -> None:
        """Bring the lag gauges up to date; where the broker does not answer they stay as they are.

        A consumer that is deaf ends the shell: it fails with a WorkerError.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                ends = await self._client.ends(partitions)
                starts = {partition: await self._start(partition) for partition in partitions}
        except Exception as error:  # noqa: BLE001 - of many kinds, and only a gauge depends on it
            log.debug("%s: the lag is not known now: %r", self._group, error)
            return
        counts = {partition: max(0, ends[partition] - starts[partition]) for partition in partitions}
        waiting = {}
        for partition in [partition for partition, count in counts.items() if count]:
            if await self._has_read(partition, ends[partition]):
                self._look_again(partition, ends[partition])
            elif partition.topic != self._retries:  # what is there may wait for hours, until it is due
                waiting[partition] = starts[partition]
        self._stalls.look(waiting, time.monotonic())
        self._end_if_deaf()
        self._tell(counts)

    def stuck(self, after_s: float) -> str | None:
        """What has not moved for more than `after_s` seconds: a message in work, or records that nobody takes."""
        stage = self._shell.stage.name
        oldest = self._shell.oldest()
        if oldest is not None and oldest[0] > after_s:
            return f"{stage} is stuck: {oldest[1]} has been in work for {oldest[0]:.0f} s"
        stalled = self._stalls.longest(time.monotonic())
        if stalled is not None and stalled[0] > after_s:
            name = f"{self._contract[stalled[1].topic]}/{stalled[1].number}"
            return f"{stage} is stuck: offset {stalled[2]} of {name} waits and has for {stalled[0]:.0f} s"
        return None

    async def _start(self, partition: Partition) -> int:
        offset = self._shell.acks.next_offset(partition)
        return offset if offset is not None else await self._client.committed(partition) or 0

    async def _has_read(self, partition: Partition, end: int) -> bool:
        """True if the consumer is at the log's end and nothing is in hand."""
        if self._shell.in_hand(partition) or any(queue.qsize() for queue in self.queues):
            return False
        try:
            async with asyncio.timeout(POSITION_TIMEOUT_S):
                return await self._client.position(partition) >= end
        except Exception as error:  # noqa: BLE001 - a consumer that cannot say where it reads does not read
            log.debug("%s: where %s is read is not known: %r", self._group, partition, error)
            return False

    def _look_again(self, partition: Partition, end: int) -> None:
        """What is missing until the log's end has expired or is a marker, if it is not there when looked for again."""
        expected = self._shell.acks.expected(partition)
        if expected is not None and expected < end:
            self._rereading.ask_at_end(partition, expected)

    def _end_if_deaf(self) -> None:
        """End the worker if records wait that its consumer does not bring, so that it is started anew.

        Seen after the broker had gone during a rebalance: Faust stays a member, and reads nothing any more.
        """
        stalled = self._stalls.longest(time.monotonic(), but_not=self._shell.in_hand)
        if stalled is None or stalled[0] < self._deaf_after_s or self._shell.failed.done():
            return
        seconds, partition, offset = stalled
        text = f"{self._group}: the consumer has brought nothing of {partition} from {offset} on for {seconds:.0f} s"
        self._shell.failed.set_exception(WorkerError(f"{text}, and records wait there: start the worker again"))

    def _tell(self, counts: Mapping[Partition, int]) -> None:
        stage = self._shell.stage.name
        behind: dict[str, int] = dict.fromkeys(self._contract, 0)
        for partition, count in counts.items():
            behind[partition.topic] += count
        for topic, count in behind.items():
            oldest_s = self._shell.acks.oldest_s(topic)
            age_s = max(0.0, time.time() - oldest_s) if oldest_s is not None else 0.0
            metrics.LAG_MESSAGES.labels(stage, self._contract[topic]).set(count)
            metrics.LAG_SECONDS.labels(stage, self._contract[topic]).set(age_s)
