"""The topic contracts: what each topic carries, for how long, and in how many partitions.

They lie in `topics/*.yaml` at the top of the repository, for people and programs that do not speak Python;
`vta_stream/topics` is a link to that folder, so that they travel in the wheel too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from vta_stream.stream.message import full_topic
from vta_stream.stream.records import INPUTS

CleanupPolicy = Literal["delete", "compact"]

_KEYS = {"name", "description", "key", "record", "partitions", "retention_days", "cleanup_policy", "headers", "schema"}


class ContractError(ValueError):
    """A record, or a contract itself, is not as its contract says."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One topic. `name` is without the prefix of the settings.

    `record` is the dataclass's name. `retention_ms` -1 keeps records for ever. `headers` maps the name of a
    Kafka header to its meaning. `schema` is a JSON Schema (2020-12) that the JSON value has to satisfy.
    """

    name: str
    description: str
    key: str
    record: str
    partitions: int
    retention_ms: int
    cleanup_policy: CleanupPolicy
    headers: Mapping[str, str]
    schema: Mapping[str, Any]

    def topic(self, prefix: str) -> str:
        """The topic's name on a broker: `vta.videos` of the contract `videos` and the prefix `vta`."""
        return full_topic(prefix, self.name)

    @property
    def config(self) -> dict[str, str]:
        """The topic's configuration in Kafka's own words."""
        return {"cleanup.policy": self.cleanup_policy, "retention.ms": str(self.retention_ms)}


@cache
def contracts() -> Mapping[str, Contract]:
    """All contracts by name: inputs in the order of the flow, then the retries, then the dead letters."""
    raw = {}
    for file in resources.files("vta_stream").joinpath("topics").iterdir():
        if file.name.endswith(".yaml"):
            raw[file.name.removesuffix(".yaml")] = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not raw:
        raise ContractError("no topic contracts are installed with vta_stream (vta_stream/topics/*.yaml)")
    flow = [topic for topics in INPUTS.values() for topic in topics]
    order = [*flow, *sorted(raw.keys() - set(flow))]
    return {name: _contract(name, raw) for name in order if name in raw}


def _contract(name: str, raw: Mapping[str, Mapping[str, Any]]) -> Contract:
    values = raw[name]
    if values.keys() != _KEYS or values["name"] != name:
        wrong = sorted(values.keys() ^ _KEYS) or ["name"]
        raise ContractError(f"topics/{name}.yaml: missing, unknown or wrong: {', '.join(wrong)}")
    days = values["retention_days"]
    return Contract(
        name=name,
        description=values["description"],
        key=values["key"],
        record=values["record"],
        partitions=values["partitions"],
        retention_ms=-1 if days is None else int(days * 24 * 3600 * 1000),
        cleanup_policy=values["cleanup_policy"],
        headers=values["headers"],
        schema=_schema(name, raw),
    )


def _schema(name: str, raw: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The schema in the file; `same_as: OTHER` takes another contract's, as the retries do."""
    schema: Mapping[str, Any] = raw[name]["schema"]
    other = schema.get("same_as")
    return _schema(other, raw) if other else schema


def contract_of(topic: str) -> Contract:
    """The contract of a topic, by its contract name or with any prefix; ContractError if there is none."""
    known = contracts()
    name = topic if topic in known else topic.partition(".")[2]
    if name not in known:
        raise ContractError(f"{topic}: no topic contract has that name; there are {', '.join(known)}")
    return known[name]


def check_record(topic: str, value: bytes | None) -> None:
    """Raise ContractError unless `value` is what the topic's contract promises.

    `topic` is a contract's name, with or without prefix. A value of `videos` (and of its retries) may be bare
    text instead of JSON: then it has to be one that `parse_request` takes.
    """
    contract = contract_of(topic)
    if value is None:
        raise ContractError(f"{topic}: a record without a value")
    text = value.decode("utf-8", errors="surrogateescape").strip()
    if contract.record == "VideoRequest" and not text.startswith("{"):
        _check_request(topic, value)
        return
    try:
        decoded = json.loads(text)
    except json.JSONDecodeError as error:
        raise ContractError(f"{topic}: not JSON: {error}: {text[:200]!r}") from error
    errors = sorted(_validator(contract.name).iter_errors(decoded), key=lambda error: list(map(str, error.path)))
    if errors:
        what = "; ".join(f"{error.json_path}: {error.message[:300]}" for error in errors[:5])
        raise ContractError(f"{topic}: {what}")


def _check_request(topic: str, value: bytes) -> None:
    from vta_stream.domain.request import parse_request

    try:
        parse_request(value)
    except ValueError as error:
        raise ContractError(f"{topic}: {error}") from error


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    schema = contracts()[name].schema
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
