"""How much waits in each topic for the agents: the end of the log less what the consumer groups have committed."""

from __future__ import annotations

from typing import Any

from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.message import retries_topic
from vta_stream.stream.records import INPUTS, RETRIED_IN_PLACE

ANSWER_S = 10.0


def agent_topics() -> dict[str, tuple[str, ...]]:
    """The topics that each agent reads, its retries among them. The store retries in place and has none."""
    return {
        stage: topics if stage in RETRIED_IN_PLACE else (*topics, retries_topic(stage))
        for stage, topics in INPUTS.items()
    }


class Backlog:
    """Asks one broker about the agents of one prefix."""

    def __init__(self, connection: BrokerConnection, prefix: str) -> None:
        from confluent_kafka.admin import AdminClient

        self.prefix = prefix
        self._admin = AdminClient({**connection.confluent_config(), "log_level": 2})
        self._partitions: dict[str, list[int]] = {}

    def waiting(self) -> dict[str, int]:
        """By contract name: the records that wait in the topic's fullest partition, work in progress included.

        A topic whose agent never committed counts from the start of its log. Raises KafkaException if the
        broker does not answer.
        """
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
        from confluent_kafka.admin import OffsetSpec

        spec: Any = OffsetSpec  # its methods have no types
        asked: dict[str, Any] = {}
        partitions: dict[str, list[TopicPartition]] = {}
        for stage, names in agent_topics().items():
            partitions[stage] = [
                TopicPartition(f"{self.prefix}.{name}", number) for name in names for number in self._numbers(name)
            ]
            group = ConsumerGroupTopicPartitions(f"{self.prefix}.{stage}", partitions[stage])
            asked[stage] = self._admin.list_consumer_group_offsets([group], request_timeout=ANSWER_S)[group.group_id]
        every = [partition for part in partitions.values() for partition in part]
        end = self._offsets(dict.fromkeys(every, spec.latest()))
        start = self._offsets(dict.fromkeys(every, spec.earliest()))
        waiting: dict[str, int] = {}
        for future in asked.values():
            for committed in future.result(ANSWER_S).topic_partitions:
                where = _where(committed)
                name = committed.topic.removeprefix(f"{self.prefix}.")
                count = end[where] - max(committed.offset, start[where])
                waiting[name] = max(waiting.get(name, 0), count)
        return waiting

    def _offsets(self, asked: dict[Any, Any]) -> dict[tuple[str, int], int]:
        answers = self._admin.list_offsets(asked, request_timeout=ANSWER_S)
        return {_where(partition): future.result(ANSWER_S).offset for partition, future in answers.items()}

    def _numbers(self, name: str) -> list[int]:
        """A topic's partitions. An agent's topics exist once it runs; until then this makes them or fails."""
        if name not in self._partitions:
            topic = f"{self.prefix}.{name}"
            self._partitions[name] = sorted(self._admin.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions)
        return self._partitions[name]


def _where(partition: Any) -> tuple[str, int]:
    return partition.topic, partition.partition
