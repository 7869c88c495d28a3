"""An agent: one stage in its shell, fed by one Faust app."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vta_stream import metrics
from vta_stream.failpoints import hit
from vta_stream.ports import AnyStage
from vta_stream.settings.delivery import KafkaSettings
from vta_stream.stream.acks import Partition
from vta_stream.stream.app import make_app, raw_topic
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.message import Message, Origin, full_topic, message_from_retries, retries_topic
from vta_stream.stream.noise import of_broker
from vta_stream.stream.quick import at_hand
from vta_stream.stream.records import RETRIED_IN_PLACE
from vta_stream.stream.rereading import Rereading
from vta_stream.stream.shell import Shell, Surroundings
from vta_stream.stream.slots import WorkerError
from vta_stream.stream.stalls import Stalls

log = logging.getLogger(__name__)

COMMIT_INTERVAL_S = 1.0
COMMIT_TIMEOUT_S = 30.0
LAG_TIMEOUT_S = 10.0
POSITION_TIMEOUT_S = 2.0
DEAF_AFTER_S = 120.0
"""A consumer that brings nothing for so long, or for four sessions, though something waits, never will."""


def topics_of(stage: str, inputs: Iterable[str]) -> tuple[str, ...]:
    """The contract names of all topics that the stage reads."""
    return tuple(inputs) if stage in RETRIED_IN_PLACE else (*inputs, retries_topic(stage))


class Agent:
    """`start` it, watch `failed` and `ready`, and `stop` it. One event loop."""

    def __init__(
        self,
        stage: AnyStage,
        inputs: tuple[str, ...],
        around: Surroundings,
        connection: BrokerConnection,
        kafka: KafkaSettings,
        folder: Path,
        worker: str,
        client_id: str,
    ) -> None:
        self.stage = stage
        self.group = full_topic(around.prefix, stage.name)
        self._prefix = around.prefix
        self._inputs = inputs
        self._retries = full_topic(around.prefix, retries_topic(stage.name))
        self._contract = {full_topic(around.prefix, name): name for name in topics_of(stage.name, inputs)}
        self._assigned: frozenset[Partition] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving = False
        self._stalls = Stalls()
        self._queues: list[asyncio.Queue[Any]] = []
        self._deaf_after_s = max(DEAF_AFTER_S, 4 * kafka.session_timeout_s)
        self.shell = Shell(stage, around, self._set_retries_flow, self._read_again)
        # The mock cluster dies with its process, so no member of it ever comes back under its name.
        instance = None if connection.embedded else f"{worker}.{stage.name}"
        self._app: Any = make_app(self.group, connection, kafka, folder / stage.name, client_id, instance)
        self._rereading = Rereading(self._app.consumer, self.shell.acks.begin)
        self._app.on_partitions_revoked.connect(self._on_revoked)
        self._app.on_partitions_assigned.connect(self._on_assigned)
        main = raw_topic(self._app, [full_topic(self._prefix, name) for name in inputs])
        self._app.agent(main, name=f"{stage.name}", concurrency=1)(self._consume)
        if self._retries in self._contract:
            retries = raw_topic(self._app, [self._retries])
            self._app.agent(retries, name=f"{stage.name}-retries", concurrency=1)(self._consume)

    @property
    def ready(self) -> bool:
        """True once the broker has dealt partitions to this member, be they none."""
        return self._assigned is not None

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions of now."""
        return self._assigned or frozenset()

    def start(self) -> None:
        """Begin to consume, in the background."""
        self.shell.start()
        for work, name in ((self._run_app(), "app"), (self._commit_for_ever(), "commits")):
            task = asyncio.create_task(work, name=f"{self.stage.name} {name}")
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def drain(self, grace_s: float) -> int:
        """Let work in progress end, and commit it. Returns how many messages were cut off."""
        self._leaving = True
        cut_off = await self.shell.drain(grace_s)
        for task in self._tasks[1:]:
            task.cancel()
        await self._commit()
        return cut_off

    async def stop(self) -> None:
        """Leave the broker."""
        self._leaving = True
        await self._app.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def measure_lag(self) -> None:
        """Bring the lag gauges up to date; where the broker does not answer they stay as they are."""
        consumer = self._app.consumer
        partitions = self.assigned
        try:
            async with asyncio.timeout(LAG_TIMEOUT_S):
                ends = await self._call(consumer._thread._consumer.end_offsets, [_tp(p) for p in partitions])
                starts = {}
                for partition in partitions:
                    starts[partition] = self.shell.acks.next_offset(partition)
                    if starts[partition] is None:
                        starts[partition] = await self._call(consumer._thread._consumer.committed, _tp(partition)) or 0
        except Exception as error:  # noqa: BLE001 - of many kinds, and only a gauge depends on it
            log.debug("%s: the lag is not known now: %r", self.group, error)
            return
        counts = {partition: max(0, ends[_tp(partition)] - (starts[partition] or 0)) for partition in partitions}
        waiting = {}
        for partition in [partition for partition, count in counts.items() if count]:
            if await self._has_read(partition, ends[_tp(partition)]):
                self._look_again(partition, ends[_tp(partition)])
            elif partition.topic != self._retries:  # what is there may wait for hours, until it is due
                waiting[partition] = starts[partition] or 0
        self._stalls.look(waiting, time.monotonic())
        self._end_if_deaf()
        behind: dict[str, int] = dict.fromkeys(self._contract, 0)
        for partition, count in counts.items():
            behind[partition.topic] += count
        for topic, count in behind.items():
            oldest_s = self.shell.acks.oldest_s(topic)
            age_s = max(0.0, time.time() - oldest_s) if oldest_s is not None else 0.0
            metrics.LAG_MESSAGES.labels(self.stage.name, self._contract[topic]).set(count)
            metrics.LAG_SECONDS.labels(self.stage.name, self._contract[topic]).set(age_s)

    def stuck(self, after_s: float) -> str | None:
        """What has not moved for more than `after_s` seconds: a message in work, or records that nobody takes."""
        oldest = self.shell.oldest()
        if oldest is not None and oldest[0] > after_s:
            return f"{self.stage.name} is stuck: {oldest[1]} has been in work for {oldest[0]:.0f} s"
        stalled = self._stalls.longest(time.monotonic())
        if stalled is not None and stalled[0] > after_s:
            name = f"{self._contract[stalled[1].topic]}/{stalled[1].number}"
            return f"{self.stage.name} is stuck: offset {stalled[2]} of {name} waits and has for {stalled[0]:.0f} s"
        return None

    async def _has_read(self, partition: Partition, end: int) -> bool:
        """True if the consumer is at the log's end and nothing is in hand."""
        if self.shell.in_hand(partition) or any(queue.qsize() for queue in self._queues):
            return False
        try:
            async with asyncio.timeout(POSITION_TIMEOUT_S):
                position: int = await self._call(self._app.consumer._thread._consumer.position, _tp(partition))
        except Exception as error:  # noqa: BLE001 - a consumer that cannot say where it reads does not read
            log.debug("%s: where %s is read is not known: %r", self.group, partition, error)
            return False
        return position >= end

    def _look_again(self, partition: Partition, end: int) -> None:
        """What is missing until the log's end has expired or is a marker, if it is not there when looked for again."""
        expected = self.shell.acks.expected(partition)
        if expected is not None and expected < end:
            self._rereading.ask_at_end(partition, expected)

    def _end_if_deaf(self) -> None:
        """End the worker if records wait that its consumer does not bring, so that it is started anew.

        Seen after the broker had gone during a rebalance: Faust stays a member, and reads nothing any more.
        """
        stalled = self._stalls.longest(time.monotonic(), but_not=self.shell.in_hand)
        if stalled is None or stalled[0] < self._deaf_after_s or self.shell.failed.done():
            return
        seconds, partition, offset = stalled
        text = f"{self.group}: the consumer has brought nothing of {partition} from {offset} on for {seconds:.0f} s"
        self.shell.failed.set_exception(WorkerError(f"{text}, and records wait there: start the worker again"))

    async def _run_app(self) -> None:
        await self._app.start()
        await self._app.wait_until_stopped()
        if self._app.crashed:
            raise self._app.crash_reason or RuntimeError(f"{self.group} crashed")

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._leaving or self.shell.failed.done():
            return
        if task.cancelled():  # when its consumer breaks, Faust cancels whoever waits for it; nobody of ours did
            self.shell.failed.set_exception(RuntimeError(f"{task.get_name()} was cancelled from within"))
        elif task.exception() is not None:
            self.shell.failed.set_exception(task.exception() or RuntimeError(task.get_name()))

    async def _consume(self, stream: Any) -> None:
        self._queues.append(stream.channel.queue)
        async for event in stream.noack().events():
            await self.shell.take(self._message(event.message))
            for also in at_hand(stream.channel.queue):
                await self.shell.take(self._message(also.message))

    def _message(self, raw: Any) -> Message:
        partition = Partition(raw.topic, raw.partition)
        if raw.topic == self._retries:
            return message_from_retries(
                partition, raw.offset, raw.key, raw.value, raw.timestamp, raw.headers or (), self._inputs
            )
        origin = Origin(self._contract[raw.topic], raw.partition, raw.offset)
        return Message(partition, raw.offset, raw.key, raw.value, raw.timestamp, origin)

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """A rebalance begins. Most partitions come back in a moment, so their work goes on until we know."""
        metrics.REBALANCES.labels(self.stage.name).inc()
        self.shell.acks.rebalance()
        await self._commit()

    async def _on_assigned(self, _app: Any, /, *arguments: Any, **_: Any) -> None:
        self._assigned = frozenset(Partition(tp.topic, tp.partition) for tp in arguments[0])
        lost = set(self.shell.acks.partitions) - self._assigned
        if lost:
            log.info("%s: gave away %d partitions", self.group, len(lost))
            self.shell.revoke(lost)

    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            if not self._app.rebalancing:
                await self._commit()

    async def _commit(self) -> None:
        """Commit the finished prefixes; what fails is committed another time."""
        commits = self.shell.acks.take_commits()
        if not commits:
            return
        from aiokafka.errors import KafkaError

        hit("shell.committing")
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._call(
                    self._app.consumer._thread._consumer.commit,
                    {_tp(partition): offset for partition, offset in commits.items()},
                )
        except (KafkaError, TimeoutError) as error:
            of_broker.info("%s: a commit failed and will be made again: %r", self.group, error)
            self.shell.acks.put_back(commits)
        except BaseException:
            self.shell.acks.put_back(commits)
            raise
        else:
            hit("shell.committed")
            self.shell.confirm(commits)

    async def _call(self, function: Any, *arguments: Any) -> Any:
        """Call aiokafka's consumer in its own thread."""
        return await self._app.consumer._thread.call_thread(function, *arguments)

    def _read_again(self, partition: Partition, offset: int) -> None:
        self._rereading.ask(partition, offset)

    def _set_retries_flow(self, flowing: bool) -> None:
        """As if Faust's buffer had become full. Of a partition that is paused, it drops what it has fetched already."""
        set_flow = self._app.consumer.on_buffer_drop if flowing else self._app.consumer.on_buffer_full
        for tp in self._app.consumer.assignment():
            if tp.topic == self._retries:
                set_flow(tp)


def _tp(partition: Partition) -> Any:
    from aiokafka import TopicPartition

    return TopicPartition(partition.topic, partition.number)
