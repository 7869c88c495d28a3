"""A dataset that has read further than its logs go must not start: all that comes would seem known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.kafka_process import create_topics
from vta_stream.domain.delivery import Delivery
from vta_stream.ports import Outcome, TerminalError
from vta_stream.settings import Settings
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker
from vta_stream.stream.message import full_topic
from vta_stream.stream.records import RECORDS
from vta_stream.stream.slots import WorkerError
from vta_stream.stream.topology import read_log_ends, read_topology


class Keeper:
    """A store that remembers having read its one topic up to offset 5."""

    name, batch_max, batch_wait_s, concurrency, ordered = "store", 1, 0.0, 1, True

    async def setup(self) -> None:
        self.ends: Mapping[tuple[str, str, int], int] = {}

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        return [()] * len(deliveries)

    async def close(self) -> None:
        return None

    async def check_log_ends(self, ends: Mapping[tuple[str, str, int], int]) -> None:
        self.ends = ends
        if any(end < 5 for end in ends.values()):
            raise TerminalError("offsets_ahead", "the log ends before what was read of it")


@pytest.fixture
def connection(kafka: str, topic_prefix: str) -> BrokerConnection:
    create_topics(kafka, *(full_topic(topic_prefix, name) for name in RECORDS))
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(3):
        producer.produce(full_topic(topic_prefix, "videos.done"), str(number).encode())
    assert producer.flush(30) == 0
    return BrokerConnection(bootstrap_servers=kafka)


async def test_the_ends_are_those_of_the_broker(connection: BrokerConnection, topic_prefix: str) -> None:
    topic, other = full_topic(topic_prefix, "videos.done"), full_topic(topic_prefix, "clips.rejected")
    topology = await read_topology(connection, [topic, other])
    assert await read_log_ends(connection, topology, [topic, other]) == {
        (topology.cluster_id, topology.topic_ids[topic], 0): 3,
        (topology.cluster_id, topology.topic_ids[other], 0): 0,
    }


async def test_a_log_that_is_too_short_stops_the_start(
    connection: BrokerConnection, topic_prefix: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate(
        {"data_dir": tmp_path, "kafka": {"topic_prefix": topic_prefix}, "metrics": {"port": 0}}
    )
    keeper = Keeper()
    worker = Worker({"store": keeper}, settings, connection, {"store": ("videos.done",)})
    with pytest.raises(WorkerError, match="ends before what was read"):
        await worker.start()
    assert list(keeper.ends.values()) == [3]
