from __future__ import annotations

import pytest

from tests.kafka_process import create_topics, free_ports
from vta_stream.stream import topology
from vta_stream.stream.acks import Partition
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.topology import TopologyError, read_topology


@pytest.mark.kafka
async def test_ids_of_a_real_cluster_last_and_a_topic_made_anew_has_a_new_one(kafka: str, topic_prefix: str) -> None:
    from confluent_kafka.admin import AdminClient

    a, b = f"{topic_prefix}.a", f"{topic_prefix}.b"
    create_topics(kafka, a, b)
    first = await read_topology(BrokerConnection(kafka), [a, b])
    assert len(set(first.topic_ids.values())) == 2
    assert first == await read_topology(BrokerConnection(kafka), [b, a])
    position = first.position("a", Partition(a, 3), 7)
    assert (position.cluster_id, position.topic_id) == (first.cluster_id, first.topic_ids[a])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([a])[a].result(30)
    for _ in range(50):
        try:
            create_topics(kafka, a)
            break
        except Exception:  # noqa: BLE001 - the deletion takes a moment
            continue
    second = await read_topology(BrokerConnection(kafka), [a, b])
    assert second.cluster_id == first.cluster_id
    assert second.topic_ids[a] != first.topic_ids[a]
    assert second.topic_ids[b] == first.topic_ids[b]


@pytest.mark.kafka
async def test_a_missing_topic_is_named(kafka: str, topic_prefix: str) -> None:
    with pytest.raises(TopologyError, match=rf"{topic_prefix}\.none.*topics apply"):
        await read_topology(BrokerConnection(kafka), [f"{topic_prefix}.none"])


async def test_a_broker_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "TIMEOUT_S", 1.0)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(TopologyError, match=address):
        await read_topology(BrokerConnection(address), ["t"])


async def test_each_run_of_the_embedded_broker_is_a_cluster_of_its_own() -> None:
    one, other = [await read_topology(BrokerConnection("h:1", run_id=run), ["p.videos"]) for run in ("a", "b")]
    assert one.cluster_id != other.cluster_id
    assert one.topic_ids != other.topic_ids
