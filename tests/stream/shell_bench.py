"""A bench for the shell without a broker: a sender in memory, and stages that a test scripts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests import builders
from vta_stream.domain.delivery import DeadLetter, Delivery, Emission
from vta_stream.ports import Outcome
from vta_stream.settings.delivery import RetrySettings
from vta_stream.stream.acks import Partition
from vta_stream.stream.codec import decode, encode
from vta_stream.stream.crashes import CrashLedger
from vta_stream.stream.message import Message, Origin, Outgoing
from vta_stream.stream.producer import TooLargeError
from vta_stream.stream.shell import Shell, Surroundings
from vta_stream.stream.topology import Topology
from vta_stream.stream.trying import Suspects

MAIN = Partition("p.clips.segmented", 0)
OTHER = Partition("p.clips.segmented", 1)
RETRIES = Partition("p.score.retries", 0)

Work = Callable[[Sequence[Delivery[Any]]], Any]


class MemorySender:
    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.too_large: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, records: Sequence[Outgoing]) -> None:
        await self.open.wait()
        for record in records:
            if record.topic in self.too_large:
                raise TooLargeError(record)
            self.sent.append(record)

    def letters(self) -> list[DeadLetter]:
        return [decode("dead-letters", record.value) for record in self.sent if record.topic == "p.dead-letters"]

    def topics(self) -> list[str]:
        return [record.topic for record in self.sent]


class Scripted:
    """A stage whose `process` is given by the test."""

    name = "score"

    def __init__(self, work: Work, **traits: Any) -> None:
        self.batch_max, self.batch_wait_s, self.concurrency, self.ordered = 1, 0.0, 1, False
        self.calls: list[list[str]] = []
        self._work = work
        for trait, value in traits.items():
            setattr(self, trait, value)

    async def setup(self) -> None:
        return

    async def close(self) -> None:
        return

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        self.calls.append([delivery.record.video_id for delivery in deliveries])
        outcome = self._work(deliveries)
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        return outcome  # type: ignore[no-any-return]


def on(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
    return [(Emission("clips.scored", delivery.record),) for delivery in deliveries]


def clip_message(offset: int, video_id: str | None = None, partition: Partition = MAIN) -> Message:
    value = encode("clips.segmented", builders.clip(video_id or f"v{offset}"))
    return Message(partition, offset, b"k", value, time.time(), Origin("clips.segmented", partition.number, offset))


class Bench:
    def __init__(self, tmp_path: Path) -> None:
        self.sender = MemorySender()
        self.ledger = CrashLedger(tmp_path / "crashes")
        self.flow: list[bool] = []
        self.asked: list[tuple[Partition, int]] = []
        self.topology = Topology("c", {"p.clips.segmented": "t1", "p.score.retries": "t2"})

    @asynccontextmanager
    async def shell(self, stage: Any, grace_s: float = 5, **retry: Any) -> AsyncIterator[Shell]:
        around = Surroundings(
            "p",
            self.sender,
            self.ledger,
            Suspects(3),
            self.topology,
            RetrySettings(**{"base_s": 0.01, "max_s": 0.05, **retry}),
        )
        shell = Shell(stage, around, self.flow.append, lambda *place: self.asked.append(place))
        shell.start()
        yield shell
        await shell.drain(grace_s)
        if shell.failed.done():
            shell.failed.result()


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for is anything
            await asyncio.sleep(0.005)
