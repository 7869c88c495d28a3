"""A message as it lies on the broker, and what its headers say of earlier attempts.

Structs, since each message makes several of these, and a frozen dataclass takes ten times as long to make.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from vta_stream.stream.acks import Partition

Headers = tuple[tuple[str, bytes], ...]

RETRIES_SUFFIX = ".retries"
DEAD_LETTERS = "dead-letters"


def full_topic(prefix: str, name: str) -> str:
    """The broker's name of a topic: `<prefix>.<contract name>`."""
    return f"{prefix}.{name}"


def retries_topic(stage: str) -> str:
    """The contract name of a stage's retries topic."""
    return f"{stage}{RETRIES_SUFFIX}"


class Origin(msgspec.Struct, frozen=True):
    """Where the input first came from; on a retries topic, its headers tell. `topic` is the contract's name."""

    topic: str
    partition: int
    offset: int


class Message(msgspec.Struct, frozen=True):
    """A record in bytes. `offset` in `partition` is where it was read just now; times are Unix seconds.

    `attempt` counts from 1. It is not to be worked on before `not_before_s`.
    """

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_s: float
    origin: Origin
    attempt: int = 1
    not_before_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """What it weighs in memory, about."""
        return len(self.key or b"") + len(self.value or b"") + 512


class Outgoing(msgspec.Struct, frozen=True):
    """A record to be sent; `topic` is the broker's name."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def retry_of(message: Message, topic: str, attempt: int, not_before_s: float, reason: str) -> Outgoing:
    """The message once more, for the retries topic with that full name."""
    headers = {
        "attempt": str(attempt),
        "not_before": f"{not_before_s:.3f}",
        "topic": message.origin.topic,
        "partition": str(message.origin.partition),
        "offset": str(message.origin.offset),
        "reason": reason,
    }
    return Outgoing(topic, message.key, message.value, tuple((name, text.encode()) for name, text in headers.items()))


def message_from_retries(
    partition: Partition,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    timestamp_s: float,
    headers: Iterable[tuple[str, bytes]],
    inputs: tuple[str, ...],
) -> Message:
    """A message of a retries topic, with what `retry_of` wrote on it.

    `inputs` are the stage's topics. A foreign message without headers counts as a first attempt at the first
    of them; headers that make no sense are passed over in the same way, since the record itself decides.
    """
    found = dict(headers)
    topic = found.get("topic", b"").decode("utf-8", "replace")
    known = topic in inputs
    return Message(
        partition,
        offset,
        key,
        value,
        timestamp_s,
        Origin(
            topic if known else inputs[0],
            _whole(found.get("partition")) if known else partition.number,
            _whole(found.get("offset")) if known else offset,
        ),
        attempt=max(1, _whole(found.get("attempt"))),
        not_before_s=_seconds(found.get("not_before")),
    )


def _whole(text: bytes | None) -> int:
    return int(text) if text is not None and text.isdigit() and len(text) < 19 else 0


def _seconds(text: bytes | None) -> float:
    try:
        value = float(text) if text is not None else 0.0
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
