"""What Faust does that the shell works around, seen on bare Faust, so that an upgrade which changes it is noticed.

A test that fails here is good news, most likely: then its workaround may be one that can go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import AdminClient

from tests.kafka_process import create_topics
from tests.stream.chain_running import committed

pytestmark = pytest.mark.kafka

VALUES = [b"0", b"1", b"2", b"3", b"4", b"5"]
LOST = b"1"
PATIENCE_S = 90
STAYS_AWAY_S = 6.0


@dataclass
class Bare:
    """A bare Faust app on a topic of one partition with VALUES; `done` are those that an agent has worked on."""

    address: str
    group: str
    app: Any
    done: list[bytes] = field(default_factory=list)

    def topic(self, **options: Any) -> Any:
        return self.app.topic(self.group, value_serializer="raw", **options)

    async def commits_all(self) -> None:
        """Return when the broker holds the offset behind the last value."""
        async with asyncio.timeout(PATIENCE_S):
            while (await committed(self.address, self.group)).get(self.group) != len(VALUES):  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def works(self, count: int) -> None:
        """Return when so many values were worked on."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.done) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def members(self) -> int:
        admin = AdminClient({"bootstrap.servers": self.address})
        described = admin.describe_consumer_groups([self.group], request_timeout=30)[self.group].result(30)
        return len(described.members)


MakeBare = Callable[..., Awaitable[Bare]]


@pytest.fixture
async def make(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[MakeBare]:
    apps = []

    async def make(**options: Any) -> Bare:
        await asyncio.to_thread(create_topics, kafka, topic_prefix)
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            for value in VALUES:
                await producer.send_and_wait(topic_prefix, value)
        app = faust.App(
            topic_prefix,
            broker=f"kafka://{kafka}",
            datadir=str(tmp_path / "faust"),
            store="memory://",
            web_enabled=False,
            autodiscover=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            broker_commit_interval=0.2,
            stream_wait_empty=False,
            **options,
        )
        apps.append(app)
        return Bare(kafka, topic_prefix, app)

    yield make
    for app in apps:
        await app.stop()


async def test_an_exception_acknowledges_its_message(make: MakeBare) -> None:
    """So a stage's failures are values, and the shell decides (`Trial`)."""
    bare = await make()

    async def work(stream: Any) -> None:
        async for value in stream:
            if value == LOST:
                raise ValueError("a defect")
            bare.done.append(value)

    bare.app.agent(bare.topic())(work)
    await bare.app.start()
    await bare.commits_all()
    assert bare.done == [value for value in VALUES if value != LOST]


async def test_what_is_left_unacknowledged_is_committed_past(make: MakeBare) -> None:
    """So `noack()` alone is no help, and the shell commits the finished prefix itself (`OrderedAcks`)."""
    bare = await make()

    async def work(stream: Any) -> None:
        async for event in stream.noack().events():
            if event.value != LOST:
                event.ack()

    bare.app.agent(bare.topic())(work)
    await bare.app.start()
    await bare.commits_all()


async def test_take_acknowledges_a_batch_that_failed(make: MakeBare) -> None:
    """So batches are gathered by the shell (`Intake`)."""
    bare = await make()

    async def work(stream: Any) -> None:
        async for values in stream.take(3, within=0.5):
            if LOST in values:
                raise ValueError("a defect")
            bare.done.extend(values)

    bare.app.agent(bare.topic())(work)
    await bare.app.start()
    await bare.commits_all()
    assert LOST not in bare.done


async def test_two_at_a_time_commit_past_work_that_still_runs(make: MakeBare) -> None:
    """Faust's issue 606. So each agent has `concurrency=1`, and the shell has slots of its own."""
    bare = await make()
    never = asyncio.Event()

    async def work(stream: Any) -> None:
        async for value in stream:
            if value == LOST:
                await never.wait()
            bare.done.append(value)

    bare.app.agent(bare.topic(), concurrency=2)(work)
    await bare.app.start()
    await bare.commits_all()
    assert LOST not in bare.done


async def test_what_cannot_be_decoded_is_acknowledged(make: MakeBare) -> None:
    """So Faust gets raw bytes, and the shell decodes them (`Triage`)."""
    bare = await make()

    class Picky(faust.Codec):  # type: ignore[misc] # Faust has no types here
        def _loads(self, value: bytes) -> bytes:
            if value == LOST:
                raise ValueError("no such thing")
            return value

    faust.serializers.codecs.register("picky", Picky())

    async def work(stream: Any) -> None:
        async for value in stream:
            bare.done.append(value)

    bare.app.agent(bare.app.topic(bare.group, value_serializer="picky"))(work)
    await bare.app.start()
    await bare.commits_all()
    assert LOST not in bare.done


async def test_where_nothing_is_committed_a_seek_to_the_commits_goes_nowhere(make: MakeBare) -> None:
    """Faust drops what it holds at a rebalance, and trusts in this seek. So `Rereading` seeks to the beginning."""
    bare = await make()

    async def work(stream: Any) -> None:
        async for event in stream.noack().events():
            bare.done.append(event.value)

    bare.app.agent(bare.topic())(work)
    await bare.app.start()
    await bare.works(len(VALUES))
    await bare.app.consumer.perform_seek()
    await asyncio.sleep(STAYS_AWAY_S)
    assert bare.done == VALUES


async def test_what_was_fetched_of_a_partition_that_is_paused_is_dropped(make: MakeBare) -> None:
    """So a full shelf holds the retries topic up as a full buffer does, and `Seen.AHEAD` asks for what is missing."""
    bare = await make()

    async def work(stream: Any) -> None:
        async for event in stream.noack().events():
            bare.done.append(event.value)
            if event.value == LOST:
                mine = bare.app.consumer.assignment()
                bare.app.consumer.pause_partitions(mine)
                await asyncio.sleep(0.5)
                bare.app.consumer.resume_partitions(mine)

    bare.app.agent(bare.topic())(work)
    await bare.app.start()
    await bare.works(2)
    await asyncio.sleep(STAYS_AWAY_S)
    assert bare.done[:2] == VALUES[:2]
    assert len(bare.done) < len(VALUES)


async def test_with_full_buffers_it_leaves_the_group_and_never_comes_back(make: MakeBare) -> None:
    """So the interval is a week, and a stage that does not move is looked for by our own watchdog."""
    bare = await make(
        broker_max_poll_interval=3.0, broker_max_poll_records=1, stream_buffer_maxsize=1, broker_heartbeat_interval=0.5
    )
    go_on = asyncio.Event()

    async def work(stream: Any) -> None:
        async for value in stream:
            await go_on.wait()
            bare.done.append(value)

    bare.app.agent(bare.topic())(work)
    await bare.app.start()
    async with asyncio.timeout(PATIENCE_S):
        while await asyncio.to_thread(bare.members) == 0:  # noqa: ASYNC110 - the broker offers no event to wait for
            await asyncio.sleep(0.2)
        while await asyncio.to_thread(bare.members) > 0:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    go_on.set()
    await asyncio.sleep(STAYS_AWAY_S)
    assert await asyncio.to_thread(bare.members) == 0
    assert len(bare.done) < len(VALUES)
