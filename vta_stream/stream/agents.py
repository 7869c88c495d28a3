"""An agent: one stage in its shell, fed by one Faust app."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vta_stream import metrics
from vta_stream.failpoints import hit
from vta_stream.ports import AnyStage
from vta_stream.settings.delivery import KafkaSettings
from vta_stream.stream.acks import Partition
from vta_stream.stream.app import make_app, raw_topic
from vta_stream.stream.client import ConsumerClient
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.lag import LagWatch
from vta_stream.stream.message import Message, Origin, full_topic, message_from_retries, retries_topic
from vta_stream.stream.noise import of_broker
from vta_stream.stream.quick import at_hand
from vta_stream.stream.records import RETRIED_IN_PLACE
from vta_stream.stream.rereading import Rereading
from vta_stream.stream.shell import Shell, Surroundings

log = logging.getLogger(__name__)

COMMIT_INTERVAL_S = 1.0
COMMIT_TIMEOUT_S = 30.0


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
        self.shell = Shell(stage, around, self._set_retries_flow, self._read_again)
        # The mock cluster dies with its process, so no member of it ever comes back under its name.
        instance = None if connection.embedded else f"{worker}.{stage.name}"
        self._app: Any = make_app(self.group, connection, kafka, folder / stage.name, client_id, instance)
        self._client = ConsumerClient(self._app.consumer)
        self._rereading = Rereading(self._app.consumer, self._client, self.shell.acks.begin)
        self.lag = LagWatch(
            self.shell,
            self.group,
            self._contract,
            self._retries,
            self._client,
            self._rereading,
            kafka.session_timeout_s,
        )
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
        self.lag.queues.append(stream.channel.queue)
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
                await self._client.commit(commits)
        except (KafkaError, TimeoutError) as error:
            of_broker.info("%s: a commit failed and will be made again: %r", self.group, error)
            self.shell.acks.put_back(commits)
        except BaseException:
            self.shell.acks.put_back(commits)
            raise
        else:
            hit("shell.committed")
            self.shell.confirm(commits)

    def _read_again(self, partition: Partition, offset: int) -> None:
        self._rereading.ask(partition, offset)

    def _set_retries_flow(self, flowing: bool) -> None:
        """As if Faust's buffer had become full. Of a partition that is paused, it drops what it has fetched already."""
        set_flow = self._app.consumer.on_buffer_drop if flowing else self._app.consumer.on_buffer_full
        for tp in self._app.consumer.assignment():
            if tp.topic == self._retries:
                set_flow(tp)
