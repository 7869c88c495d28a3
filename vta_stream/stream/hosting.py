"""A worker: any of the agents in one process on one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import time
from collections.abc import Mapping

from vta_stream import __version__, metrics
from vta_stream.ports import AnyStage, KeepsOffsets, StageError
from vta_stream.settings import Settings
from vta_stream.stream.agents import Agent, topics_of
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.crashes import CrashLedger
from vta_stream.stream.health import HealthServer
from vta_stream.stream.membership import Membership
from vta_stream.stream.message import DEAD_LETTERS, full_topic
from vta_stream.stream.producer import KafkaSender
from vta_stream.stream.records import INPUTS, RECORDS
from vta_stream.stream.shell import Surroundings
from vta_stream.stream.slots import WorkerError, WorkerSlot, fingerprint, take_slot
from vta_stream.stream.topology import Topology, TopologyError, read_log_ends, read_topology
from vta_stream.stream.trying import Suspects

log = logging.getLogger(__name__)

PULSE_S = 0.5
LAG_EVERY_S = 5.0
MEMBERSHIP_EVERY_S = 10.0
STOP_TIMEOUT_S = 5.0


class Worker:
    """Hosts `stages` (by agent name). `start`, then `wait`, then `stop`; `start` cleans up after a failure.

    `inputs` says which topics each agent reads, by contract name.
    """

    def __init__(
        self,
        stages: Mapping[str, AnyStage],
        settings: Settings,
        connection: BrokerConnection,
        inputs: Mapping[str, tuple[str, ...]] = INPUTS,
        pipeline_version: str = "",
    ) -> None:
        self._stages = stages
        self._settings = settings
        self._connection = connection
        self._inputs = inputs
        self._agents: list[Agent] = []
        self._slot: WorkerSlot | None = None
        self._sender: KafkaSender | None = None
        self._ledger: CrashLedger | None = None
        self._membership: Membership | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._health = HealthServer(settings.metrics, self._what_is_stuck, self._what_is_not_ready)
        metrics.BUILD_INFO.labels(__version__, pipeline_version, platform.python_version()).set(1)

    @property
    def url(self) -> str:
        """Where metrics and health are, `http://host:port`; empty before the start."""
        return self._health.url

    @property
    def ready(self) -> bool:
        """True once all stages are loaded and the broker has dealt partitions to all agents."""
        return self._what_is_not_ready() is None

    async def start(self) -> None:
        """Load all stages, then consume. Raises WorkerError with all that is missing, and leaves nothing behind."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> None:
        """Return never; raises what ends the worker from within, as WorkerError where a person can act on it."""
        watched = [agent.shell.failed for agent in self._agents] + self._tasks
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_EXCEPTION)
        for ended in sorted(done, key=lambda ended: ended.cancelled()):
            if ended.cancelled():  # when a consumer breaks, Faust cancels whoever waits for it; nobody of ours did
                raise RuntimeError("a task of the worker was cancelled from within")
            ended.result()

    async def stop(self) -> None:
        """Let work in progress end within the grace, commit, and let go of everything. Safe to call twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        grace_s = self._settings.worker.shutdown_grace_s
        cut_off = await asyncio.gather(*(agent.drain(grace_s) for agent in self._agents), return_exceptions=True)
        for agent, left in zip(self._agents, cut_off, strict=True):
            if isinstance(left, BaseException):
                log.error("%s did not end well: %r", agent.group, left)
            elif left:
                log.warning("%s: %d messages in work were cut off and will be delivered again", agent.group, left)
        for agent, error in zip(
            self._agents, await self._within(*(agent.stop() for agent in self._agents)), strict=True
        ):
            if error is not None:
                log.warning("%s did not leave the broker in time: %r", agent.group, error)
        self._agents = []
        if self._sender is not None:
            sender, self._sender = self._sender, None
            await self._within(sender.stop())
        for stage in self._stages.values():
            await stage.close()
        if self._ledger is not None:
            ledger, self._ledger = self._ledger, None
            ledger.close()
        await self._health.stop()
        if self._slot is not None:
            self._slot.release()

    async def _start(self) -> None:
        from aiokafka.errors import KafkaError

        state = self._settings.state_dir
        self._slot = slot = take_slot(state, self._settings.worker.name)
        await self._health.start()
        facts = {"name": slot.name, "pid": os.getpid(), "agents": list(self._stages), "started_at_s": time.time()}
        self._health.announce(state / f"worker-{slot.name}.json", facts)
        await self._load()
        prefix = self._settings.kafka.topic_prefix
        read = {name for stage in self._stages for name in topics_of(stage, self._inputs[stage])}
        names = {full_topic(prefix, name) for name in read | {DEAD_LETTERS} | RECORDS.keys()}
        try:
            topology = await read_topology(self._connection, names)
            await self._check_log_ends(topology)
        except (TopologyError, StageError) as error:
            raise WorkerError(str(error)) from error
        client_id = f"{slot.name}@{fingerprint(state)}"
        if not self._connection.embedded:
            instances = {full_topic(prefix, stage): f"{slot.name}.{stage}" for stage in self._stages}
            self._membership = Membership(self._connection, slot.name, client_id, instances)
            await self._membership.wait_until_free(self._settings.kafka.session_timeout_s)
        self._ledger = CrashLedger(state / f"crashes-{slot.name}.log")
        self._sender = KafkaSender(self._connection, client_id)
        try:
            await self._sender.start()
        except KafkaError as error:
            raise WorkerError(f"the broker at {self._connection.bootstrap_servers} does not answer: {error}") from error
        retry = self._settings.retry
        around = Surroundings(prefix, self._sender, self._ledger, Suspects(retry.crashes_max), topology, retry)
        for name, stage in self._stages.items():
            agent = Agent(
                stage,
                self._inputs[name],
                around,
                self._connection,
                self._settings.kafka,
                state / "faust",
                slot.name,
                client_id,
            )
            self._agents.append(agent)
        for agent in self._agents:
            agent.start()
        self._tasks = [asyncio.create_task(self._pulse(), name="pulse"), asyncio.create_task(self._look(), name="look")]
        log.info("worker %s runs %s", slot.name, ", ".join(self._stages))

    async def _load(self) -> None:
        wrong = []
        for name, stage in self._stages.items():
            try:
                await stage.setup()
            except StageError as error:
                wrong.append(f"{name} cannot start: {error}")
        if wrong:
            raise WorkerError("\n".join(wrong))

    async def _check_log_ends(self, topology: Topology) -> None:
        """A log that is shorter than what was read of it is not that log: stop before everything seems known."""
        if self._connection.embedded:
            return  # its logs are new with every run, and so are their ids
        for name, stage in self._stages.items():
            if isinstance(stage, KeepsOffsets):
                topics = [full_topic(self._settings.kafka.topic_prefix, topic) for topic in self._inputs[name]]
                await stage.check_log_ends(await read_log_ends(self._connection, topology, topics))

    async def _within(self, *ends: object) -> list[BaseException | None]:
        """Await each for `STOP_TIMEOUT_S` at most; the error of each, or None."""
        results = await asyncio.gather(
            *(asyncio.wait_for(end, STOP_TIMEOUT_S) for end in ends),  # type: ignore[arg-type]
            return_exceptions=True,
        )
        return [result if isinstance(result, BaseException) else None for result in results]

    async def _pulse(self) -> None:
        """Keep the gauges up to date, and measure how late the loop is."""
        while True:
            asked_s = time.monotonic()
            await asyncio.sleep(PULSE_S)
            metrics.LOOP_LAG.observe(max(0.0, time.monotonic() - asked_s - PULSE_S))
            if self._ledger is not None:
                self._ledger.flush()
            for agent in self._agents:
                agent.shell.refresh_metrics()

    async def _look(self) -> None:
        """Now and then look at the broker: the lag, and whether our name is still ours."""
        looked_s = time.monotonic()
        while True:
            await asyncio.sleep(LAG_EVERY_S)
            metrics.DISK_FREE.set(shutil.disk_usage(self._settings.data_dir).free)
            await asyncio.gather(*(agent.lag.look(agent.assigned) for agent in self._agents))
            if self._membership is not None and time.monotonic() - looked_s >= MEMBERSHIP_EVERY_S:
                looked_s = time.monotonic()
                await self._membership.check()

    def _what_is_stuck(self) -> str | None:
        found = (agent.lag.stuck(self._settings.worker.stuck_after_s) for agent in self._agents)
        return next(filter(None, found), None)

    def _what_is_not_ready(self) -> str | None:
        if not self._agents:
            return "stages are loading"
        waiting = [agent.stage.name for agent in self._agents if not agent.ready]
        return f"no partitions yet: {', '.join(waiting)}" if waiting else None
