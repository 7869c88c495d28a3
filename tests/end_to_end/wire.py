"""What lies on a broker, seen by programs that are not ours: kcat, and a plain consumer."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from confluent_kafka import Consumer, TopicPartition

from vta_stream.stream.contracts import contracts

ANSWER_S = 20.0


def kcat(address: str, topic: str, values: Iterable[bytes]) -> None:
    """Publish one record a value, without keys, as `echo VALUE | kcat` does."""
    command = ["kcat", "-P", "-b", address, "-t", topic]
    subprocess.run(command, input=b"".join(value + b"\n" for value in values), check=True, timeout=60)


def everything(
    address: str, prefix: str, names: Iterable[str] | None = None
) -> dict[str, list[tuple[bytes | None, bytes | None]]]:
    """Contract's name -> (key, value) of every record that is there now; of all topics, or of those named."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": f"{prefix}.tests", "log_level": 2})
    found = {name: _records(consumer, contracts()[name].topic(prefix)) for name in names or contracts()}
    consumer.close()
    return found


def _records(consumer: Consumer, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    records: list[tuple[bytes | None, bytes | None]] = []
    for number in consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_S)
        if first == end:
            continue
        consumer.assign([TopicPartition(topic, number, first)])
        part = consumer.consume(end - first, ANSWER_S)
        assert len(part) == end - first, f"{topic}, partition {number}: the broker went silent"
        records += [(message.key(), message.value()) for message in part]
    return records
