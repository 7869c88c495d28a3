"""How work reaches a stage, and what a stage says of it. No Kafka in here, only its addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record lies. A cluster that is made anew has other ids, so old offsets do not apply to it."""

    cluster_id: str
    topic_id: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Delivery(Generic[R]):
    """A record as handed to a stage. `topic` is the contract's name, without prefix.

    `attempt` counts from 1 and grows with every retry.
    """

    record: R
    topic: str
    position: Position
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Emission:
    """A record that a stage sends on, to the topic of that contract name (without prefix)."""

    topic: str
    record: object


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of `dead-letters`: an input that ends here, and why.

    `value` is the input as it came, `value_base64` is true if it was no UTF-8 and had to be encoded.
    `kind` is `terminal` (the stage says it can never work), `exhausted` (transient too often) or
    `unknown` (an error nobody classified, or a crash of the process). `reason` is a short slug such as
    `private` or `no_video_stream`; `message` is the sentence for a person. Times are Unix seconds.
    """

    stage: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: str
    value_base64: bool
    video_id: str | None
    clip_id: str | None
    kind: str
    reason: str
    message: str
    traceback: str | None
    attempt: int
    failed_at_s: float
