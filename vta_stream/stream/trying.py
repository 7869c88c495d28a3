"""One call of a stage: counted against crashes, timed, and kept apart from its neighbours' defects."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from vta_stream import metrics
from vta_stream.domain.delivery import Delivery
from vta_stream.failpoints import hit
from vta_stream.ports import DISK_FULL, AnyStage, Outcome, StageError, TransientError
from vta_stream.stream.batching import Work
from vta_stream.stream.crashes import CrashLedger, is_last_chance
from vta_stream.stream.dead_letters import unknown
from vta_stream.stream.settling import Ending
from vta_stream.stream.topology import Topology

log = logging.getLogger(__name__)


class Suspects:
    """Keeps messages that were there when the process died from being blamed for each other.

    On its last chance a suspect is worked on without any other suspect on its last chance in the whole process, so
    that only what really kills the process uses up its chances. Before that it is worked on like all others: most
    deaths are nobody's fault, and one after the other would hold up whatever was in work.
    """

    def __init__(self, crashes_max: int) -> None:
        self.crashes_max = crashes_max
        self._last_chance = asyncio.Lock()

    def alone(self, crashes: int) -> AbstractAsyncContextManager[None]:
        """To be entered for the work, with how often its message was there before; 0 is no suspect."""
        return self._last_chance if is_last_chance(crashes, self.crashes_max) else contextlib.nullcontext()


class Trial:
    """Calls `process` of one stage, within the task that asks for it.

    A task of its own for each call would cost three turns of the event loop a message, and all agents of a worker
    share the loop.
    """

    def __init__(self, stage: AnyStage, ledger: CrashLedger, topology: Topology) -> None:
        self._stage = stage
        self._ledger = ledger
        self._topology = topology
        self._duration = metrics.DURATION.labels(stage.name)
        self._running: dict[asyncio.Task[Any], Sequence[Work]] = {}
        self._cancelled: set[asyncio.Task[Any]] = set()
        """Tasks that `cancel_lost` has cancelled: they shall go on when the call has ended."""

    async def isolated(self, works: Sequence[Work]) -> list[tuple[Work, Ending]]:
        """What became of each work, in order. If a batch raises, its works are tried one by one.

        Works that are lost, before or meanwhile, are left out.
        """
        works = [work for work in works if not work.lost]
        if not works:
            return []
        try:
            outcomes = await self._call(works)
        except StageError as error:
            if len(works) == 1:
                return [(works[0], error)]
            log.warning("%s: a batch of %d failed, trying one by one: %s", self._stage.name, len(works), error)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                return [(work, TransientError("disk_full", f"The disk is full: {error}.")) for work in works]
            if len(works) == 1:
                log.exception("%s: a defect showed on %s", self._stage.name, works[0])
                return [(works[0], unknown(error))]
            log.warning("%s: a batch of %d raised, trying one by one: %r", self._stage.name, len(works), error)
        else:
            return [(work, outcome) for work, outcome in zip(works, outcomes, strict=True) if not work.lost]
        return [ending for work in works if not work.lost for ending in await self.isolated([work])]

    def cancel_lost(self) -> None:
        """Cancel the calls that work for nobody any more."""
        for task, works in self._running.items():
            if task not in self._cancelled and all(work.lost for work in works):
                self._cancelled.add(task)
                task.cancel()

    async def _call(self, works: Sequence[Work]) -> Sequence[Outcome]:
        deliveries = [self._delivery(work) for work in works]
        keys = [work.crash_key for work in works]
        began_s = time.monotonic()
        for work in works:
            work.started_at_s = work.started_at_s or began_s
        self._ledger.begin(keys)
        hit("shell.begun")
        try:
            outcomes = await self._process(works, deliveries)
        finally:
            self._ledger.end(keys)
            self._duration.observe(time.monotonic() - began_s)
        if len(outcomes) != len(works):
            raise RuntimeError(f"the stage gave {len(outcomes)} outcomes for {len(works)} deliveries")
        for outcome in outcomes:
            if not isinstance(outcome, tuple | StageError):
                raise TypeError(f"the stage gave a {type(outcome).__name__} for an outcome")
        return outcomes

    async def _process(self, works: Sequence[Work], deliveries: Sequence[Delivery[object]]) -> Sequence[Outcome]:
        """What the stage says; nothing follows from works that were all lost meanwhile."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._running[task] = works
        try:
            return await self._stage.process(deliveries)
        except asyncio.CancelledError:
            if not task.cancelling():
                raise RuntimeError("the stage cancelled its own work") from None
            if task in self._cancelled and task.cancelling() == 1:
                return [()] * len(works)
            raise
        finally:
            del self._running[task]
            if task in self._cancelled:
                self._cancelled.remove(task)
                task.uncancel()

    def _delivery(self, work: Work) -> Delivery[object]:
        message = work.message
        position = self._topology.position(message.origin.topic, message.partition, message.offset)
        return Delivery(work.record, message.origin.topic, position, work.attempt)
