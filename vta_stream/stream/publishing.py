"""Handing requests over for good: to Kafka's ack, or to the journal's fsync where the broker is embedded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from vta_stream.domain.request import request_value
from vta_stream.domain.video import VideoRequest
from vta_stream.settings import Settings
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.discovery import embedded_address
from vta_stream.stream.journal import Journal, journal_file
from vta_stream.stream.message import Outgoing, full_topic

ANSWER_S = 15.0
ACK_S = 120.0


class PublishError(Exception):
    """Not everything was taken; the text says why, and what to do."""


class RequestPublisher(Protocol):
    """A place for requests."""

    place: str
    """Where they go, in words: `vta.videos on 127.0.0.1:9092`."""

    def publish(self, requests: Sequence[VideoRequest]) -> None:
        """Return once all of them are safe; PublishError if one is not."""


class KafkaPublisher:
    """Sends to a broker and waits for its acks."""

    def __init__(self, connection: BrokerConnection, prefix: str) -> None:
        from confluent_kafka import Producer

        self.topic = full_topic(prefix, "videos")
        self.place = f"{self.topic} on {connection.bootstrap_servers}"
        config = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(ACK_S * 1000), "log_level": 2}
        self._producer = Producer({**connection.confluent_config(), **config})
        self._checked: set[str] = set()
        self._failed: list[str] = []

    def publish(self, requests: Sequence[VideoRequest]) -> None:
        """Send requests to the input topic, keyed by their videos' IDs."""
        self.send([Outgoing(self.topic, request.video_id.encode(), request_value(request)) for request in requests])

    def send(self, records: Sequence[Outgoing]) -> None:
        """Send any records. PublishError if a topic is not there, or one record was not acknowledged."""
        for topic in {record.topic for record in records} - self._checked:
            self._check(topic)
        for record in records:
            self._queue(record)
        waiting = self._producer.flush(ACK_S)
        if waiting or self._failed:
            why = self._failed[0] if self._failed else f"no answer within {ACK_S:.0f} s"
            count = waiting + len(self._failed)
            self._failed = []
            raise PublishError(f"{count} of {len(records)} records were not acknowledged: {why}. Send them again")

    def _queue(self, record: Outgoing) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    on_delivery=self._delivered,
                )
            except BufferError:
                self._producer.poll(1)
            else:
                self._producer.poll(0)
                return

    def _check(self, topic: str) -> None:
        from confluent_kafka import KafkaException

        try:
            found = self._producer.list_topics(topic, timeout=ANSWER_S).topics[topic]
        except KafkaException as error:
            raise PublishError(f"the broker does not answer: {error.args[0].str()}") from error
        if found.error is not None:
            raise PublishError(f"{topic}: {found.error.str()}. Make the topics with: vta-stream topics apply")
        self._checked.add(topic)

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failed.append(error.str())


class JournalPublisher:
    """Writes to the journal of a data folder; its worker takes them from there, now or when it starts."""

    def __init__(self, settings: Settings) -> None:
        self.journal = Journal(journal_file(settings.data_dir))
        worker = embedded_address(settings.state_dir)
        self.place = f"the journal {self.journal.file}, " + (
            f"from which the worker takes them (process {worker.pid})"
            if worker
            else "which a worker reads when it starts: vta-stream run"
        )

    def publish(self, requests: Sequence[VideoRequest]) -> None:
        """Write requests down."""
        try:
            self.journal.append(request_value(request) for request in requests)
        except OSError as error:
            raise PublishError(f"the journal cannot be written: {error}") from error


def publisher_for(settings: Settings) -> RequestPublisher:
    """Kafka where the settings name one; else the journal, whether a worker runs or not."""
    if settings.kafka.bootstrap_servers:
        return KafkaPublisher(BrokerConnection.from_settings(settings.kafka), settings.kafka.topic_prefix)
    return JournalPublisher(settings)
