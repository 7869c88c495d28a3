"""What follows from what a stage says: records to send, a retry, or a dead letter."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from functools import cache

import msgspec
from prometheus_client import Counter

from vta_stream import metrics
from vta_stream.domain.delivery import DeadLetter, Emission
from vta_stream.failpoints import hit
from vta_stream.ports import DeferError, Outcome, StageError, TerminalError, TransientError
from vta_stream.settings.delivery import RetrySettings
from vta_stream.stream.backoff import Backoff
from vta_stream.stream.batching import Work
from vta_stream.stream.codec import encode, video_id_of
from vta_stream.stream.dead_letters import (
    EXHAUSTED,
    TERMINAL,
    UNKNOWN,
    Failure,
    dead_letter,
    encode_letter,
    unknown,
)
from vta_stream.stream.message import DEAD_LETTERS, Outgoing, full_topic, retries_topic, retry_of
from vta_stream.stream.producer import Sender, TooLargeError

log = logging.getLogger(__name__)

Ending = Outcome | Failure
"""What became of one work: the stage's word, or the shell's where the stage could not say."""

DEFER_JITTER = 0.1
"""So much later at most, as a share, than a stage asked for: not everything at once after a rate limit."""


class _Plan(msgspec.Struct, frozen=True):
    work: Work
    records: tuple[Outgoing, ...]
    outcome: str


class Settler:
    """Sends what follows and returns when the broker has it; only then may the source be acknowledged."""

    def __init__(self, stage: str, prefix: str, sender: Sender, retry: RetrySettings) -> None:
        self._stage = stage
        self._prefix = prefix
        self._sender = sender
        self._attempts_max = retry.attempts_max
        self._backoff = Backoff.from_settings(retry)
        self._retries = full_topic(prefix, retries_topic(stage))

    async def settle(self, endings: Sequence[tuple[Work, Ending]]) -> None:
        """Bring all that follows to the broker."""
        plans = [self._plan(work, ending) for work, ending in endings]
        records = [record for plan in plans for record in plan.records]
        try:
            if records:
                await self._sender.send(records)
        except TooLargeError:
            plans = [await self._settle_alone(plan) for plan in plans]
        hit("shell.buried" if any(plan.outcome == "dead_letter" for plan in plans) else "shell.sent")
        for plan in plans:
            _counter(self._stage, plan.outcome).inc()

    async def send_again(self, works: Sequence[Work]) -> None:
        """Put messages of the retries topic at its end, unchanged."""
        await self._sender.send(
            [
                retry_of(work.message, self._retries, work.message.attempt, work.message.not_before_s, "rotated")
                for work in works
            ]
        )

    async def _settle_alone(self, plan: _Plan) -> _Plan:
        try:
            await self._sender.send(plan.records)
        except TooLargeError as error:
            plan = self._dead(plan.work, Failure(TERMINAL, "record_too_large", str(error), error))
            await self._sender.send(plan.records)
        return plan

    def _plan(self, work: Work, ending: Ending) -> _Plan:
        match ending:
            case DeferError():
                wait_s = max(0.0, ending.after_s) * (1 + random.uniform(0, DEFER_JITTER))
                return self._retry(work, "defer", work.attempt, wait_s, ending)
            case TransientError() if work.attempt < self._attempts_max:
                return self._retry(work, "retry", work.attempt + 1, self._backoff.wait_s(work.attempt), ending)
            case TransientError():
                text = f"{ending} (attempt {work.attempt} of {self._attempts_max})"
                return self._dead(work, Failure(EXHAUSTED, ending.reason, text, ending))
            case TerminalError():
                return self._dead(work, Failure(TERMINAL, ending.reason, str(ending), ending))
            case StageError():
                return self._dead(work, Failure(UNKNOWN, ending.reason, str(ending), ending))
            case Failure():
                return self._dead(work, ending)
        try:
            return _Plan(work, tuple(self._emission(emission) for emission in ending), "ok")
        except Exception as error:
            # A stage emitted what nobody can encode; the input tells which.
            log.exception("%s: what it made of %s cannot be sent", self._stage, work)
            return self._dead(work, unknown(error))

    def _emission(self, emission: Emission) -> Outgoing:
        value = encode(emission.topic, emission.record)
        video_id = video_id_of(emission.record)
        key = video_id.encode() if video_id is not None else None
        return Outgoing(full_topic(self._prefix, emission.topic), key, value)

    def _retry(self, work: Work, outcome: str, attempt: int, wait_s: float, error: StageError) -> _Plan:
        log.info("%s: %s again in %.0f s: %s: %s", self._stage, work, wait_s, error.reason, error)
        metrics.RETRIES.labels(self._stage, error.reason).inc()
        again = retry_of(work.message, self._retries, attempt, time.time() + wait_s, error.reason)
        return _Plan(work, (again,), outcome)

    def _dead(self, work: Work, failure: Failure) -> _Plan:
        log.warning("%s: %s ends here: %s: %s", self._stage, work, failure.reason, failure.text)
        metrics.DEAD_LETTERS.labels(self._stage, failure.reason).inc()
        if isinstance(work.record, DeadLetter) and work.record.topic == DEAD_LETTERS:
            # A dead letter of a dead letter of a dead letter… would go round for ever. This one stays in its topic.
            log.error("%s cannot take the dead letter %s; it stays in its topic only", self._stage, work)
            return _Plan(work, (), "dead_letter")
        letter = dead_letter(self._stage, work.message, work.record, failure, work.attempt)
        key = letter.video_id.encode() if letter.video_id is not None else work.message.key
        return _Plan(
            work, (Outgoing(full_topic(self._prefix, DEAD_LETTERS), key, encode_letter(letter)),), "dead_letter"
        )


@cache
def _counter(stage: str, outcome: str) -> Counter:
    """Found once: asking for it by its labels takes longer than counting."""
    return metrics.MESSAGES.labels(stage, outcome)
