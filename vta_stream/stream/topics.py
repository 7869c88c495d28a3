"""Making a broker's topics match their contracts: compare, then create, grow and configure; never shrink."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.contracts import Contract, contracts

ANSWER_S = 30.0

ChangeKind = Literal["create", "add_partitions", "set_config", "cannot"]


class TopicsError(Exception):
    """The broker could not be asked or would not do it; the text says what and why."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a contract and the broker. `cannot` needs a person; the rest is what apply does.

    `setting` is `partitions` or a topic configuration's name, None for `create`; `found` and `wanted` are its
    values.
    """

    topic: str
    kind: ChangeKind
    setting: str | None = None
    found: str | None = None
    wanted: str | None = None

    def __str__(self) -> str:
        match self.kind:
            case "create":
                return f"{self.topic}: create with {self.wanted}"
            case "cannot":
                return (
                    f"{self.topic}: has {self.found} {self.setting} and its contract says {self.wanted}; Kafka cannot "
                    "take partitions away. Raise `partitions` in the contract, or make the topic anew"
                )
            case _:
                return f"{self.topic}: {self.setting} {self.found} -> {self.wanted}"


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the broker has it. `config` holds only what contracts speak of."""

    partitions: int
    config: Mapping[str, str]


def compare(wanted: Iterable[Contract], found: Mapping[str, FoundTopic], prefix: str) -> list[Change]:
    """What would have to change so that the broker keeps the contracts; empty if it does."""
    changes: list[Change] = []
    for contract in wanted:
        topic = contract.topic(prefix)
        there = found.get(topic)
        if there is None:
            text = ", ".join(f"{name}={value}" for name, value in contract.config.items())
            changes.append(Change(topic, "create", None, None, f"partitions={contract.partitions}, {text}"))
            continue
        if there.partitions != contract.partitions:
            kind: ChangeKind = "add_partitions" if there.partitions < contract.partitions else "cannot"
            changes.append(Change(topic, kind, "partitions", str(there.partitions), str(contract.partitions)))
        for name, value in contract.config.items():
            if there.config.get(name) != value:
                changes.append(Change(topic, "set_config", name, there.config.get(name, "unset"), value))
    return changes


class Topics:
    """The topics of one prefix on one broker."""

    def __init__(self, connection: BrokerConnection, prefix: str, replication_factor: int = 1) -> None:
        from confluent_kafka.admin import AdminClient

        self.connection = connection
        self.prefix = prefix
        self.replication_factor = replication_factor
        self._admin = AdminClient({**connection.confluent_config(), "log_level": 2})

    def found(self) -> dict[str, FoundTopic]:
        """The topics with our prefix, by full name. TopicsError if the broker does not answer."""
        partitions = {
            name: len(topic.partitions)
            for name, topic in self._metadata().topics.items()
            if name.startswith(f"{self.prefix}.")
        }
        if self.connection.embedded:  # it has no configuration to ask for
            return {name: FoundTopic(count, {}) for name, count in partitions.items()}
        configs = self._configs(list(partitions))
        return {name: FoundTopic(count, configs[name]) for name, count in partitions.items()}

    def diff(self) -> list[Change]:
        """What `apply` would do. The embedded broker makes topics in its own way, so only missing ones count."""
        changes = compare(contracts().values(), self.found(), self.prefix)
        return [change for change in changes if change.kind == "create" or not self.connection.embedded]

    def apply(self, changes: Sequence[Change]) -> None:
        """Carry the changes out and wait until the broker has; `cannot` is passed over.

        A topic that somebody else created meanwhile is fine. TopicsError if the broker refuses.
        """
        wanted = {contract.topic(self.prefix): contract for contract in contracts().values()}
        if self.connection.embedded:
            for change in changes:
                self._metadata(change.topic)  # asking for a topic makes it
            return
        self._create([wanted[change.topic] for change in changes if change.kind == "create"])
        self._grow([wanted[change.topic] for change in changes if change.kind == "add_partitions"])
        self._configure([change for change in changes if change.kind == "set_config"])
        self._wait({change for change in changes if change.kind != "cannot"})

    def _wait(self, done: set[Change]) -> None:
        """The controller says yes before its brokers know; so wait until the broker that we ask knows, too."""
        end_s = time.monotonic() + ANSWER_S
        while left := done.intersection(self.diff()):
            if time.monotonic() > end_s:
                raise TopicsError(f"the broker took this, but does not show it: {'; '.join(map(str, left))}")
            time.sleep(0.1)

    def _metadata(self, topic: str | None = None) -> Any:
        from confluent_kafka import KafkaException

        try:
            return self._admin.list_topics(topic, timeout=ANSWER_S) if topic else self._admin.list_topics(timeout=10)
        except KafkaException as error:
            raise TopicsError(
                f"the broker at {self.connection.bootstrap_servers} does not answer: {error.args[0].str()}"
            ) from error

    def _configs(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        from confluent_kafka.admin import ConfigResource, ResourceType

        if not topics:
            return {}
        names = {name for contract in contracts().values() for name in contract.config}
        asked = self._admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic) for topic in topics])
        answers = _results({resource.name: future for resource, future in asked.items()}, "describe")
        return {topic: {name: entries[name].value for name in names} for topic, entries in answers.items()}

    def _create(self, wanted: Sequence[Contract]) -> None:
        from confluent_kafka.admin import NewTopic

        if not wanted:
            return
        new = [
            NewTopic(
                contract.topic(self.prefix),
                num_partitions=contract.partitions,
                replication_factor=self.replication_factor,
                config=contract.config,
            )
            for contract in wanted
        ]
        _results(self._admin.create_topics(new, operation_timeout=ANSWER_S), "create", allowed="TOPIC_ALREADY_EXISTS")

    def _grow(self, wanted: Sequence[Contract]) -> None:
        from confluent_kafka.admin import NewPartitions

        if wanted:
            new = [NewPartitions(contract.topic(self.prefix), contract.partitions) for contract in wanted]
            _results(self._admin.create_partitions(new, operation_timeout=ANSWER_S), "add partitions to")

    def _configure(self, changes: Sequence[Change]) -> None:
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

        entries: dict[str, list[Any]] = {}
        for change in changes:
            entry = ConfigEntry(str(change.setting), str(change.wanted), incremental_operation=AlterConfigOpType.SET)
            entries.setdefault(change.topic, []).append(entry)
        if entries:
            asked = self._admin.incremental_alter_configs(
                [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=new) for topic, new in entries.items()]
            )
            _results({resource.name: future for resource, future in asked.items()}, "configure")


def _results(futures: Mapping[str, Any], verb: str, allowed: str | None = None) -> dict[str, Any]:
    from confluent_kafka import KafkaException

    results = {}
    for topic, future in futures.items():
        try:
            results[topic] = future.result(timeout=ANSWER_S)
        except KafkaException as error:
            if error.args[0].name() != allowed:
                raise TopicsError(f"cannot {verb} {topic}: {error.args[0].str()}") from error
        except TimeoutError as error:
            raise TopicsError(f"cannot {verb} {topic}: no answer within {ANSWER_S:.0f} s") from error
    return results
