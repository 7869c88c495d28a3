"""The shell round a stage: takes messages, bounds and orders the work, and acknowledges last.

It knows no Faust: an agent hands it messages and fetches the offsets to commit from `acks`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vta_stream import metrics
from vta_stream.failpoints import hit
from vta_stream.ports import AnyStage
from vta_stream.settings.delivery import RetrySettings
from vta_stream.stream.acks import OrderedAcks, Partition, Seen
from vta_stream.stream.batching import Intake, Room, Work
from vta_stream.stream.crashes import CrashLedger
from vta_stream.stream.in_place import InPlace
from vta_stream.stream.message import RETRIES_SUFFIX, Message
from vta_stream.stream.producer import Sender
from vta_stream.stream.settling import Ending, Settler
from vta_stream.stream.shelf import Shelf
from vta_stream.stream.single_flight import SingleFlight
from vta_stream.stream.topology import Topology
from vta_stream.stream.triage import Triage, identity
from vta_stream.stream.trying import Suspects, Trial

log = logging.getLogger(__name__)

IN_FLIGHT_SPARE = 256
"""In flight beyond what the slots hold: being sent, or waiting for a slot. With 64, all of them waited for the broker
half of the time, and the event loop was idle."""
SETTLING_MAX = 4
IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the shells of one process share."""

    prefix: str
    sender: Sender
    ledger: CrashLedger
    suspects: Suspects
    topology: Topology
    retry: RetrySettings


class Shell:
    """One stage at work. Made and used on one event loop.

    `failed` ends with the error if the shell itself breaks, which is a defect of ours: then the process has
    to stop. `set_retries_flow` pauses (False) and resumes (True) the stage's retries topic, `read_again` has a
    partition read from an offset on.
    """

    def __init__(
        self,
        stage: AnyStage,
        around: Surroundings,
        set_retries_flow: Callable[[bool], None],
        read_again: Callable[[Partition, int], None],
    ) -> None:
        self.stage = stage
        self._read_again = read_again
        self.acks = OrderedAcks()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._triage = Triage(stage.name, around.ledger, around.suspects.crashes_max)
        self._suspects = around.suspects
        self._room = Room(2 * stage.batch_max * stage.concurrency + IN_FLIGHT_SPARE, IN_FLIGHT_BYTES_MAX)
        self._intake = Intake(stage.batch_max, stage.batch_wait_s)
        self._shelf = Shelf(set_retries_flow)
        self._settler = Settler(stage.name, around.prefix, around.sender, around.retry)
        self._closing = asyncio.Event()
        trial = Trial(stage, around.ledger, around.topology)
        self._trial = InPlace(stage.name, trial, around.retry, self._closing) if stage.ordered else trial
        self._works: dict[tuple[Partition, int], Work] = {}
        self._single = SingleFlight()
        self._ended: list[tuple[Work, Ending]] = []
        self._slots: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._pump: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work on what is taken."""
        count = 1 if self.stage.ordered else self.stage.concurrency
        for number in range(count):
            self._watch(self._slots, self._slot(), f"{self.stage.name} slot {number}")
        self._pump = self._watch(set(), self._pump_shelf(), f"{self.stage.name} retries")

    async def take(self, message: Message) -> None:
        """Accept a message; returns when there is room for it, which is how the stage holds back Kafka.

        A message of the retries topic is shelved until it is due, and never waits for room here.
        """
        work = self._admit(message)
        if work is None:
            return
        if message.partition.topic.endswith(RETRIES_SUFFIX):
            self._shelf.put(work)
            return
        await self._enqueue(work)

    def revoke(self, partitions: Collection[Partition]) -> None:
        """These partitions went to another worker: cancel their work and forget it.

        The call of an ordered stage is not cancelled, because its commit may be under way in a thread and a
        second one must not run beside it; its word is passed over.
        """
        self.acks.forget(partitions)
        for key in [key for key in self._works if key[0] in partitions]:
            work = self._works.pop(key)
            work.lost = True
            self._single.leave(work)
        self._shelf.drop_lost()
        self._trial.cancel_lost()

    async def drain(self, grace_s: float) -> int:
        """Stop: begin nothing more, let what is in work end within `grace_s` seconds, cancel the rest.

        Returns how many messages in work were cut off; they are delivered again.
        """
        self._closing.set()
        if self._pump is not None:
            self._pump.cancel()
        self._intake.close()
        tasks = self._slots | self._settling
        deadline_s = time.monotonic() + grace_s
        while tasks and (left_s := deadline_s - time.monotonic()) > 0:
            await asyncio.wait(tasks, timeout=left_s)
            tasks = self._slots | self._settling
        cut_off = sum(work.started_at_s is not None for work in self._works.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return cut_off

    def confirm(self, commits: Mapping[Partition, int]) -> None:
        """The broker took these commits."""
        self.acks.confirm(commits)
        self._triage.committed(commits)

    def in_hand(self, partition: Partition) -> bool:
        """True if a message of this partition was taken and is not acknowledged, or one of any waits for room."""
        return self._room.waiting > 0 or any(key[0] == partition for key in self._works)

    def oldest(self) -> tuple[float, str] | None:
        """Age in seconds and name of the message that is in work for longest, or None."""
        begun = [(work.started_at_s, work) for work in self._works.values() if work.started_at_s is not None]
        if not begun:
            return None
        started_at_s, work = min(begun, key=lambda pair: pair[0])
        return time.monotonic() - started_at_s, f"{work} ({identity(work) or 'not read yet'})"

    def refresh_metrics(self) -> None:
        """Bring the gauges up to date."""
        name = self.stage.name
        oldest = self.oldest()
        metrics.IN_PROGRESS.labels(name).set(sum(work.started_at_s is not None for work in self._works.values()))
        metrics.OLDEST_IN_PROGRESS.labels(name).set(oldest[0] if oldest else 0)
        metrics.QUEUE_DEPTH.labels(name).set(len(self._intake) + self._room.waiting)

    def _admit(self, message: Message) -> Work | None:
        seen = self.acks.arrive(message.partition, message.offset, message.timestamp_s)
        if seen is Seen.REWOUND:
            log.warning("%s: %s begins anew at offset %d", self.stage.name, message.partition, message.offset)
            self.revoke([message.partition])
            seen = self.acks.arrive(message.partition, message.offset, message.timestamp_s)
        if seen is Seen.AHEAD:
            expected = self.acks.expected(message.partition)
            assert expected is not None
            self._read_again(message.partition, expected)
        if seen is not Seen.NEW:
            return None
        if self._single.is_copy(message):
            self.acks.finish(message.partition, message.offset)
            return None
        work = self._works[message.partition, message.offset] = Work(message)
        self._single.enter(work)
        return work

    async def _enqueue(self, work: Work) -> None:
        await self._room.acquire(work.message.size_bytes)
        if work.lost or self._closing.is_set():
            self._room.release(work.message.size_bytes)
        else:
            self._intake.put(work)

    async def _pump_shelf(self) -> None:
        while True:
            await self._shelf.wait_due()
            while (due := self._shelf.pop_due()) is not None:
                await self._enqueue(due)
            if rotated := self._shelf.to_rotate():
                for work in rotated:
                    self._single.leave(work)
                await self._settler.send_again(rotated)
                for work in rotated:
                    self._acknowledge(work)

    async def _slot(self) -> None:
        while batch := await self._intake.next_batch():
            ready = []
            for work in batch:
                fault = self._triage.prepare(work)
                if work.lost:
                    self._room.release(work.message.size_bytes)
                elif fault is not None:
                    await self._settle([(work, fault)])
                else:
                    ready.append(work)
            for group in self._triage.apart(ready):
                if self._closing.is_set():
                    return
                async with self._suspects.alone(self._triage.crashes(group[0])):
                    endings = await self._try(group)
                hit("shell.worked")
                if self.stage.ordered:
                    await self._settle(endings)
                else:
                    self._ended += endings
                    if len(self._settling) < SETTLING_MAX:
                        self._watch(self._settling, self._settle_ended(), f"{self.stage.name} settling")

    async def _try(self, works: Sequence[Work]) -> list[tuple[Work, Ending]]:
        endings = await self._trial.isolated(works)
        answered = {work for work, _ in endings}
        for work in works:
            if work not in answered:  # it was lost meanwhile
                self._room.release(work.message.size_bytes)
        return endings

    async def _settle_ended(self) -> None:
        """Settle all that has ended, together: while the broker answers, more gathers for the next turn."""
        while self._ended:
            endings, self._ended = self._ended, []
            await self._settle(endings)

    async def _settle(self, endings: Sequence[tuple[Work, Ending]]) -> None:
        ours = [(work, ending) for work, ending in endings if not work.lost]
        for work, _ in ours:
            self._single.leave(work)
        if ours:
            await self._settler.settle(ours)
        for work, _ in endings:
            self._acknowledge(work)
            self._room.release(work.message.size_bytes)

    def _acknowledge(self, work: Work) -> None:
        if not work.lost:
            key = (work.message.partition, work.message.offset)
            del self._works[key]
            self.acks.finish(*key)

    def _watch(
        self, among: set[asyncio.Task[None]], coroutine: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine, name=name)
        among.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            among.discard(task)
            if not task.cancelled() and task.exception() is not None and not self.failed.done():
                self.failed.set_exception(task.exception() or RuntimeError(name))

        task.add_done_callback(ended)
        return task
