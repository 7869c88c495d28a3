"""Reading what lies on a topic now, from its beginning to its present end, and leaving no trace of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vta_stream.stream.acks import Partition
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.message import Message, Origin, full_topic

if TYPE_CHECKING:
    from confluent_kafka import Consumer

ANSWER_S = 15.0
RECORDS_A_FETCH = 500
FETCH_WAIT_MS = 20


class ReadingError(Exception):
    """The topic cannot be read; the text says why, and what to do."""


def read_topic(connection: BrokerConnection, prefix: str, name: str) -> Iterator[Message]:
    """All records on the topic of that contract name, partition by partition, each in the order of its offsets.

    What comes after the start of a partition's reading is left out. No consumer group is joined and nothing is
    committed, so that everybody always sees all. Raises ReadingError if the broker or the topic is not there.
    """
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    topic = full_topic(prefix, name)
    settings = {
        "group.id": f"{topic}.reader",  # the client wants one; without a subscription it is not joined
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_uncommitted",  # as the agents read
        # The last offsets of a log need not hold records (a transaction's marker); this tells its end all the same.
        "enable.partition.eof": True,
        # Every step waits for the fetch before it, which at the end of a log is as long as the broker may hold it.
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "log_level": 2,
    }
    consumer = Consumer({**connection.confluent_config(), **settings})
    try:
        found = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
        if found.error is not None:
            raise ReadingError(f"{topic}: {found.error.str()}. Make the topics with: vta-stream topics apply")
        for number in sorted(found.partitions):
            first, end = _bounds(consumer, topic, number)
            if first < end:
                consumer.assign([TopicPartition(topic, number, first)])
                yield from _read(consumer, Partition(topic, number), name, first, end)
    except KafkaException as error:
        raise ReadingError(
            f"the broker at {connection.bootstrap_servers} does not answer: {error.args[0].str()}"
        ) from error
    finally:
        consumer.close()


def _bounds(consumer: Consumer, topic: str, number: int) -> tuple[int, int]:
    """The partition's first offset and its end; while it has no leader (it is new, or moves), that is waited for."""
    from confluent_kafka import KafkaError, KafkaException, TopicPartition

    until_s = time.monotonic() + ANSWER_S
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_S)
        except KafkaException as error:
            moves = error.args[0].code() in (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
            if not moves or time.monotonic() > until_s:
                raise
            time.sleep(0.1)


def _read(consumer: Consumer, partition: Partition, name: str, first: int, end: int) -> Iterator[Message]:
    """What lies in [first, end) of the partition that the consumer was just assigned."""
    from confluent_kafka import KafkaError, KafkaException

    heard_s = time.monotonic()
    left = end - first
    while True:
        # No more than are left: it would wait for those that do not come.
        for message in consumer.consume(min(RECORDS_A_FETCH, left), 0.5):
            error, offset = message.error(), message.offset()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return
            if error is not None:
                raise KafkaException(error)
            assert offset is not None
            heard_s, left = time.monotonic(), end - offset - 1
            if offset >= end:
                return
            origin = Origin(name, partition.number, offset)
            timestamp_s = message.timestamp()[1] / 1000
            yield Message(partition, offset, message.key(), message.value(), timestamp_s, origin)
            if offset + 1 >= end:
                return
        if time.monotonic() - heard_s > ANSWER_S:
            raise ReadingError(f"the broker went silent while {partition.topic} {partition.number} was read")
