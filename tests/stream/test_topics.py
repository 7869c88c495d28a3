"""Comparing contracts with a broker, and making a real one match."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.kafka_process import create_topics
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.contracts import contracts
from vta_stream.stream.topics import Change, FoundTopic, Topics, TopicsError, compare

VIDEOS = contracts()["videos"]


def _found(**changes: object) -> dict[str, FoundTopic]:
    config = {**VIDEOS.config, **{str(key): str(value) for key, value in changes.pop("config", {}).items()}}  # type: ignore[attr-defined]
    return {"p.videos": FoundTopic(int(str(changes.get("partitions", VIDEOS.partitions))), config)}


def test_a_broker_that_keeps_the_contract_needs_no_change() -> None:
    assert compare([VIDEOS], _found(), "p") == []


def test_a_missing_topic_is_created() -> None:
    (change,) = compare([VIDEOS], {}, "p")
    assert change.kind == "create"
    assert str(change).startswith(f"p.videos: create with partitions={VIDEOS.partitions}")


def test_partitions_grow_and_never_shrink() -> None:
    wanted = str(VIDEOS.partitions)
    assert compare([VIDEOS], _found(partitions=1), "p") == [
        Change("p.videos", "add_partitions", "partitions", "1", wanted)
    ]
    (change,) = compare([VIDEOS], _found(partitions=99), "p")
    assert change == Change("p.videos", "cannot", "partitions", "99", wanted)
    assert "cannot take partitions away" in str(change)


def test_another_configuration_is_set() -> None:
    (change,) = compare([VIDEOS], _found(config={"retention.ms": 5}), "p")
    assert str(change) == f"p.videos: retention.ms 5 -> {VIDEOS.retention_ms}"


def test_a_broker_that_is_not_there_is_named() -> None:
    with pytest.raises(TopicsError, match=r"127\.0\.0\.1:9 does not answer"):
        Topics(BrokerConnection("127.0.0.1:9"), "p").found()


def wait_for(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.kafka
def test_a_real_broker_is_made_to_match(kafka: str, topic_prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    few, many = f"{topic_prefix}.videos", f"{topic_prefix}.videos.done"
    create_topics(kafka, few, partitions=2)
    create_topics(kafka, many, partitions=12)
    entry = ConfigEntry("retention.ms", "1234", incremental_operation=AlterConfigOpType.SET)
    for altered in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, few, incremental_configs=[entry])]
    ).values():
        altered.result(30)
    topics = Topics(BrokerConnection(kafka), topic_prefix)
    wait_for(lambda: topics.found()[few].config["retention.ms"] == "1234")
    kinds = {(change.topic, change.kind, change.setting) for change in topics.diff()}
    assert (few, "add_partitions", "partitions") in kinds
    assert (few, "set_config", "retention.ms") in kinds
    assert (many, "cannot", "partitions") in kinds
    assert sum(change.kind == "create" for change in topics.diff()) == len(contracts()) - 2

    topics.apply(topics.diff())
    assert [change.topic for change in topics.diff()] == [many]
    found = topics.found()
    assert found[few] == FoundTopic(VIDEOS.partitions, VIDEOS.config)
    topics.apply(topics.diff())  # a second time changes nothing
    assert topics.found() == found


@pytest.mark.kafka
def test_the_real_broker_says_why_it_refuses(kafka: str, topic_prefix: str) -> None:
    topics = Topics(BrokerConnection(kafka), topic_prefix, replication_factor=3)
    with pytest.raises(TopicsError, match="replication factor"):
        topics.apply(topics.diff())


@pytest.mark.kafka
def test_what_kcat_writes_reaches_the_input_topic(kafka: str, topic_prefix: str) -> None:
    topics = Topics(BrokerConnection(kafka), topic_prefix)
    topics.apply(topics.diff())
    kcat = f"kcat -b {kafka} -t {topic_prefix}.videos"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; echo dQw4w9WgXcQ | {kcat} -P && {kcat} -C -e -q"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "dQw4w9WgXcQ\n"
