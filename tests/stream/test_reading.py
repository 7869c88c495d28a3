"""read_topic: all there is now, in the order of the offsets, also where the log's last offsets hold no record."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.kafka_process import create_topics
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.reading import ReadingError, read_topic


@pytest.mark.kafka
def test_all_partitions_and_a_transactions_end(kafka: str, topic_prefix: str) -> None:
    create_topics(kafka, f"{topic_prefix}.videos", partitions=3)
    assert list(read_topic(BrokerConnection(kafka), topic_prefix, "videos")) == []
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic_prefix, "log_level": 2})
    producer.init_transactions(60)
    producer.begin_transaction()
    for number in range(600):
        producer.produce(f"{topic_prefix}.videos", value=b"%d" % number, key=b"key", partition=2 * (number % 2))
    producer.commit_transaction(60)
    _wait_for_end(kafka, TopicPartition(f"{topic_prefix}.videos", 2), 301)
    found = list(read_topic(BrokerConnection(kafka), topic_prefix, "videos"))
    assert [message.value for message in found] == [b"%d" % n for n in (*range(0, 600, 2), *range(1, 600, 2))]
    last = found[-1]
    assert (last.partition.number, last.offset, last.key, last.origin.topic) == (2, 299, b"key", "videos")
    assert last.timestamp_s > 1.7e9


def _wait_for_end(kafka: str, partition: TopicPartition, end: int) -> None:
    """The transaction's marker comes a moment after the commit's answer."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "ends", "log_level": 2})
    until_s = time.monotonic() + 30
    while consumer.get_watermark_offsets(partition, timeout=10)[1] < end:
        assert time.monotonic() < until_s
        time.sleep(0.1)
    consumer.close()


@pytest.mark.kafka
def test_a_topic_that_is_not_there(kafka: str, topic_prefix: str) -> None:
    with pytest.raises(ReadingError, match="vta-stream topics apply"):
        list(read_topic(BrokerConnection(kafka), topic_prefix, "videos"))


def test_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vta_stream.stream.reading.ANSWER_S", 0.5)
    with pytest.raises(ReadingError, match=r"127\.0\.0\.1:1 does not answer"):
        list(read_topic(BrokerConnection("127.0.0.1:1"), "vta", "videos"))
