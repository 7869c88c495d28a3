"""Trying again in place: what an ordered stage cannot do yet holds up all that comes after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from vta_stream import metrics
from vta_stream.ports import DeferError, TransientError
from vta_stream.settings.delivery import RetrySettings
from vta_stream.stream.backoff import Backoff
from vta_stream.stream.batching import Work
from vta_stream.stream.dead_letters import UNKNOWN, Failure
from vta_stream.stream.settling import Ending
from vta_stream.stream.trying import Trial

log = logging.getLogger(__name__)


class InPlace:
    """A trial that ends when there is a last word on each work, or when `closing` is set."""

    def __init__(self, stage: str, trial: Trial, retry: RetrySettings, closing: asyncio.Event) -> None:
        self._stage = stage
        self._trial = trial
        self._attempts_max = retry.attempts_max
        self._backoff = Backoff.from_settings(retry).in_place()
        self._closing = closing

    async def isolated(self, works: Sequence[Work]) -> list[tuple[Work, Ending]]:
        """What became of each work; those that were lost meanwhile, or still wait at the closing, are left out."""
        ended: list[tuple[Work, Ending]] = []
        while works:
            again: list[tuple[Work, Ending]] = []
            for work, ending in await self._trial.isolated(works):
                (again if self._waits(work, ending) else ended).append((work, ending))
            works = [work for work, _ in again]
            if again and not await self._wait(again):
                break
        return ended

    def cancel_lost(self) -> None:
        """Nothing: a commit may be under way in a thread, and a second one must not run beside it."""

    def _waits(self, work: Work, ending: Ending) -> bool:
        if isinstance(ending, TransientError | DeferError):
            return True
        # What nobody classified may be the machine's fault, and a dead letter is for ever: so not at once.
        return isinstance(ending, Failure) and ending.kind == UNKNOWN and work.attempt < self._attempts_max

    async def _wait(self, again: Sequence[tuple[Work, Ending]]) -> bool:
        """Wait before the next try; False if the shell closes meanwhile."""
        first = again[0]
        wait_s = self._backoff.wait_s(first[0].attempt)
        if isinstance(first[1], DeferError):
            wait_s = max(wait_s, first[1].after_s)
        log.warning(
            "%s: %d wait in place for %.1f s, first %s: %s", self._stage, len(again), wait_s, first[0], first[1]
        )
        for work, _ in again:
            work.tries += 1
            metrics.MESSAGES.labels(self._stage, "retry").inc()
        try:
            async with asyncio.timeout(wait_s):
                await self._closing.wait()
        except TimeoutError:
            return True
        return False
