"""What the broker is: its cluster id and its topics' ids, which tell a cluster made anew from the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vta_stream.domain.delivery import Position
from vta_stream.stream.acks import Partition
from vta_stream.stream.connection import BrokerConnection

TIMEOUT_S = 15.0


class TopologyError(Exception):
    """The broker cannot be reached, or a topic is missing; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The cluster's id, and of each topic's full name its id."""

    cluster_id: str
    topic_ids: Mapping[str, str] = field(default_factory=dict)

    def position(self, topic: str, partition: Partition, offset: int) -> Position:
        """Where a record lies; `topic` is the contract's name."""
        return Position(self.cluster_id, self.topic_ids[partition.topic], topic, partition.number, offset)


async def read_topology(connection: BrokerConnection, topics: Iterable[str]) -> Topology:
    """Ask the broker; `topics` are full names. Raises TopologyError.

    The embedded broker has no ids that last, and makes topics when they are first asked for: there the ids
    come from its `run_id`.
    """
    names = sorted(topics)
    if connection.run_id is not None:
        run_id = connection.run_id
        return Topology(f"embedded-{run_id}", {name: f"{run_id}-{name}" for name in names})
    return await asyncio.to_thread(_ask, connection, names)


def _ask(connection: BrokerConnection, names: list[str]) -> Topology:
    from confluent_kafka import KafkaError, KafkaException, TopicCollection
    from confluent_kafka.admin import AdminClient

    # The client retries without end and tells stderr; the answer's own timeout is what counts here.
    admin = AdminClient({**connection.confluent_config(), "log_level": 0})
    try:
        cluster = admin.describe_cluster(request_timeout=TIMEOUT_S).result(TIMEOUT_S + 5)
        described = admin.describe_topics(TopicCollection(names), request_timeout=TIMEOUT_S) if names else {}
    except (KafkaException, TimeoutError) as error:
        raise TopologyError(_unreachable(connection, error)) from error
    topic_ids, missing = {}, []
    for name, answer in described.items():
        try:
            topic_ids[name] = str(answer.result(TIMEOUT_S + 5).topic_id)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TopologyError(_unreachable(connection, error)) from error
            missing.append(name)
        except TimeoutError as error:
            raise TopologyError(_unreachable(connection, error)) from error
    if missing:
        raise TopologyError(
            f"topics are missing on {connection.bootstrap_servers}: {', '.join(missing)}; "
            "make them with: vta-stream topics apply"
        )
    return Topology(cluster.cluster_id, topic_ids)


async def read_log_ends(
    connection: BrokerConnection, topology: Topology, topics: Iterable[str]
) -> dict[tuple[str, str, int], int]:
    """Of each partition of the topics (full names) the offset that is written next, by the ids of its log.

    Raises TopologyError if the broker does not answer.
    """
    return await asyncio.to_thread(_ask_for_ends, connection, topology, sorted(topics))


def _ask_for_ends(
    connection: BrokerConnection, topology: Topology, topics: list[str]
) -> dict[tuple[str, str, int], int]:
    from confluent_kafka import KafkaException, TopicPartition
    from confluent_kafka.admin import AdminClient, OffsetSpec

    admin = AdminClient({**connection.confluent_config(), "log_level": 0})
    try:
        found = admin.list_topics(timeout=TIMEOUT_S).topics
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(name, number): latest for name in topics for number in found[name].partitions}
        answers = admin.list_offsets(asked, request_timeout=TIMEOUT_S)
        return {
            (topology.cluster_id, topology.topic_ids[log.topic], log.partition): answer.result(TIMEOUT_S + 5).offset
            for log, answer in answers.items()
        }
    except (KafkaException, TimeoutError) as error:
        raise TopologyError(_unreachable(connection, error)) from error


def _unreachable(connection: BrokerConnection, error: BaseException) -> str:
    return f"the broker at {connection.bootstrap_servers} does not answer: {error}"
