"""Sending: nothing counts as sent before the broker says that it has it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from vta_stream.stream.backoff import Backoff
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.message import Outgoing
from vta_stream.stream.noise import of_broker

REQUEST_BYTES_MAX = 1024 * 1024
LINGER_MS = 5


class TooLargeError(Exception):
    """The broker, or the client on its behalf, will never take this record."""

    def __init__(self, outgoing: Outgoing) -> None:
        size_bytes = len(outgoing.value or b"")
        super().__init__(f"a record of {size_bytes} bytes is too large for {outgoing.topic}")
        self.outgoing = outgoing


class Sender(Protocol):
    """Something that gets records to the broker."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Return once the broker has them all; wait for it as long as that takes. Raises TooLargeError."""


class KafkaSender:
    """One producer for all agents of a process.

    Repeats are possible (at least once), losses are not: `acks=all`, and a failed send is made again until
    it succeeds or the task is cancelled.
    """

    def __init__(self, connection: BrokerConnection, client_id: str) -> None:
        self._connection = connection
        self._client_id = client_id
        self._producer: Any = None
        self._backoff = Backoff(0.5, 10.0)

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaConnectionError if no broker answers."""
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(
            **self._connection.aiokafka_options(),
            client_id=self._client_id,
            acks="all",
            linger_ms=LINGER_MS,
            max_request_size=REQUEST_BYTES_MAX,
            max_batch_size=128 * 1024,
            # The embedded broker keeps 5 MiB a partition; a long video's clips fit in only when compressed.
            compression_type="gzip" if self._connection.embedded else None,
            request_timeout_ms=40_000,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect; what is still on its way is waited for."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Return once the broker has them all. Raises TooLargeError, after the others of `records` are sent."""
        attempt, left = 1, list(records)
        too_large: TooLargeError | None = None
        error: BaseException | None = None
        while left:
            failed: list[Outgoing] = []
            for record, result in zip(left, await self._send_all(left), strict=True):
                if isinstance(result, TooLargeError):
                    too_large = result
                elif isinstance(result, BaseException):
                    failed.append(record)
                    error = result
            left = failed
            if left:
                of_broker.warning("%d records for %s wait for the broker: %r", len(left), left[0].topic, error)
                await asyncio.sleep(self._backoff.wait_s(attempt))
                attempt += 1
        if too_large is not None:
            raise too_large

    async def _send_all(self, records: Sequence[Outgoing]) -> list[Any]:
        """What the broker said of each record, or the error."""
        from aiokafka.errors import KafkaError, MessageSizeTooLargeError

        sent: list[Any] = []
        for record in records:
            try:
                headers = list(record.headers) or None
                sent.append(await self._producer.send(record.topic, record.value, key=record.key, headers=headers))
            except KafkaError as error:
                sent.append(error)
        results = []
        for record, outcome in zip(records, sent, strict=True):
            try:
                results.append(outcome if isinstance(outcome, KafkaError) else await outcome)
            except KafkaError as error:
                results.append(error)
            if isinstance(results[-1], MessageSizeTooLargeError):
                results[-1] = TooLargeError(record)
        return results
