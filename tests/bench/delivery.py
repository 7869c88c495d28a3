"""What the delivery contract costs: clips a second through seven agents, against two chains of as many hops.

    .venv/bin/python -m tests.bench.delivery [CLIPS]

A real Kafka, one process, one event loop, the same topics, partitions and payload for both. The agents are the real
ones (shell, codec, contracts, ordered acks, crash ledger, producer that waits for the broker) round stages that do
nothing. The first chain is bare aiokafka, which never looks into a message; the second is Faust as it comes: agents
that read JSON and write JSON. Both send on without waiting for the broker, and commit by a timer: they lose messages.
The clock runs from the first message that the first hop takes to the last that the last hop gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from tests import builders
from tests.kafka_process import temporary_kafka
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.ports import AnyStage, Outcome
from vta_stream.settings import Settings
from vta_stream.stream.codec import encode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker
from vta_stream.stream.noise import limit_noise
from vta_stream.stream.publishing import KafkaPublisher
from vta_stream.stream.quick import collect_garbage_seldom
from vta_stream.stream.records import INPUTS
from vta_stream.stream.topics import Topics
from vta_stream.stream.worker import leave

CLIPS = 3000
ROUNDS = 3
LOST_AFTER_S = 120.0
GOAL, FAUST_GOAL = 0.4, 0.8
"""Of the bare chain's rate, and of Faust's own."""
REST_MIB_MAX = 400
FLOW = ("videos", "videos.downloaded", "videos.transcribed", "clips.segmented", "clips.scored", "clips.captioned",
        "clips.embedded")  # fmt: skip
MAKERS = {"videos.downloaded": builders.video, "videos.transcribed": builders.transcribed}


class Lap:
    """The clock, and the count at its end."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._begun_s: float | None = None
        self.rate = 0.0
        self.cpu_ms = 0.0
        """Of this process, a clip: it says more than the rate where other work runs on the machine."""
        self._begun_cpu_s = 0.0
        self.finished = asyncio.Event()
        self._count = count

    def begin(self) -> None:
        """The first hop takes a message; only the first one counts."""
        if self._begun_s is None:
            self._begun_s, self._begun_cpu_s = time.perf_counter(), time.process_time()

    def arrived(self, count: int) -> None:
        """The last hop got so many."""
        self._left -= count
        if self._left <= 0 and self._begun_s is not None:
            self.rate = self._count / (time.perf_counter() - self._begun_s)
            self.cpu_ms = 1000 * (time.process_time() - self._begun_cpu_s) / self._count
            self.finished.set()

    async def over(self) -> None:
        """Wait for the end; RuntimeError when nothing arrives for LOST_AFTER_S: a chain may lose messages for good."""
        left = None
        while not self.finished.is_set():
            if left == self._left:
                raise RuntimeError(f"{left} of {self._count} have not arrived: nothing came for {LOST_AFTER_S:.0f} s")
            left = self._left
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.finished.wait(), LOST_AFTER_S)


class PassingStage:
    """A stage that makes the next record out of nothing; the last one counts. Batches as by default."""

    def __init__(self, name: str, settings: Settings, lap: Lap, count: int) -> None:
        section: Any = getattr(settings, name)
        self.name = name
        self.ordered = name == "store"
        self.concurrency: int = getattr(section, "concurrency", 1)
        if self.ordered:
            self.batch_max, self.batch_wait_s = section.commit_records_max, section.commit_wait_s
        else:
            self.batch_max = getattr(section, "batch_max", 1)
            self.batch_wait_s = getattr(section, "batch_wait_s", 0.0)
        self._lap = lap
        at = list(INPUTS).index(name)
        self._next = FLOW[at + 1] if at + 1 < len(FLOW) else None
        make = MAKERS.get(self._next or "", builders.clip)
        self._made = {video_id: make(video_id) for video_id in map(nth_video_id, range(count))} if self._next else {}
        """Records made before the clock runs: the chains send the same bytes again and again."""

    async def setup(self) -> None:
        """Nothing to load."""

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        """One record on for each, under the same video ID."""
        if self.name == "download":
            self._lap.begin()
        if self._next is None:
            self._lap.arrived(len(deliveries))
            return [()] * len(deliveries)
        return [(Emission(self._next, self._made[delivery.record.video_id]),) for delivery in deliveries]

    async def close(self) -> None:
        """Nothing to release."""


def publish(connection: BrokerConnection, prefix: str, count: int) -> None:
    """Make the topics of a prefix and put the input there."""
    topics = Topics(connection, prefix)
    topics.apply(topics.diff())
    KafkaPublisher(connection, prefix).publish([builders.request(nth_video_id(at)) for at in range(count)])


def nth_video_id(number: int) -> str:
    """The ID of the n-th video."""
    return f"video-{number:06d}"


async def agents(connection: BrokerConnection, folder: Path, count: int) -> tuple[Lap, float]:
    """A lap through the seven agents, and the process's MiB at rest before them."""
    prefix = f"agents{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(publish, connection, prefix, 0)
    settings = Settings.model_validate(
        {
            "data_dir": folder / prefix,
            "kafka": {"bootstrap_servers": connection.bootstrap_servers, "topic_prefix": prefix},
            "metrics": {"port": 0},
        }
    )
    settings.data_dir.mkdir()
    lap = Lap(count)
    stages: dict[str, AnyStage] = {name: PassingStage(name, settings, lap, count) for name in INPUTS}
    worker = Worker(stages, settings, connection)
    await worker.start()
    try:
        while not worker.ready:  # noqa: ASYNC110 - the worker offers no event to wait for
            await asyncio.sleep(0.1)
        collect_garbage_seldom()  # as a worker does when it has loaded
        rest_mib = psutil.Process().memory_info().rss / 2**20
        await asyncio.to_thread(publish, connection, prefix, count)
        await lap.over()
    finally:
        await worker.stop()
    return lap, rest_mib


async def bare(connection: BrokerConnection, count: int) -> Lap:
    """A lap through as many consumers and one producer."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    prefix = f"bare{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(publish, connection, prefix, 0)
    payload = encode("clips.segmented", builders.clip())
    lap = Lap(count)
    options = connection.aiokafka_options()
    producer = AIOKafkaProducer(**options)
    await producer.start()
    consumers = []

    async def pass_on(at: int, consumer: Any) -> None:
        async for message in consumer:
            if at == 0:
                lap.begin()
            if at + 1 < len(FLOW):
                await producer.send(f"{prefix}.{FLOW[at + 1]}", payload, key=message.key)
            else:
                lap.arrived(1)

    for at, topic in enumerate(FLOW):
        consumer = AIOKafkaConsumer(
            f"{prefix}.{topic}", group_id=f"{prefix}.{at}", auto_offset_reset="earliest", **options
        )
        await consumer.start()
        consumers.append(consumer)
    while not all(consumer.assignment() for consumer in consumers):  # noqa: ASYNC110 - it offers no event to wait for
        await asyncio.sleep(0.1)
    tasks = [asyncio.create_task(pass_on(at, consumer)) for at, consumer in enumerate(consumers)]
    await asyncio.to_thread(publish, connection, prefix, count)
    await lap.over()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for consumer in consumers:
        await consumer.stop()
    await producer.stop()
    return lap


async def bare_faust(connection: BrokerConnection, folder: Path, count: int) -> Lap:
    """A lap through as many Faust apps of one agent each, as Faust's own documentation writes them."""
    import faust

    prefix = f"faust{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(publish, connection, prefix, 0)
    payload = json.loads(encode("clips.segmented", builders.clip()))
    lap, apps = Lap(count), []
    (folder / prefix).mkdir()

    def agent(app: Any, at: int) -> None:
        target = app.topic(f"{prefix}.{FLOW[at + 1]}") if at + 1 < len(FLOW) else None

        @app.agent(app.topic(f"{prefix}.{FLOW[at]}"))  # type: ignore[untyped-decorator]
        async def pass_on(stream: Any) -> None:
            async for key, _ in stream.items():
                if at == 0:
                    lap.begin()
                if target is None:
                    lap.arrived(1)
                else:
                    await target.send(key=key, value=payload)

    for at in range(len(FLOW)):
        app: Any = faust.App(
            f"{prefix}.{at}",
            broker=f"kafka://{connection.bootstrap_servers}",
            datadir=str(folder / prefix / str(at)),
            store="memory://",
            web_enabled=False,
            autodiscover=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
        )
        agent(app, at)
        apps.append(app)
        await app.start()
    while not all(app.consumer.assignment() for app in apps):  # noqa: ASYNC110 - it offers no event to wait for
        await asyncio.sleep(0.1)
    await asyncio.to_thread(publish, connection, prefix, count)
    await lap.over()
    for app in apps:
        await app.stop()
    return lap


async def measure(address: str, folder: Path, count: int) -> None:
    """Take turns, so that a machine that slows down slows both down."""
    connection = BrokerConnection(address)
    ratios, faust_ratios, cpu_ratios = [], [], []
    for at in range(ROUNDS):
        chain = await bare(connection, count)
        own = await bare_faust(connection, folder, count)
        ours, rest_mib = await agents(connection, folder, count)
        ratios.append(ours.rate / chain.rate)
        faust_ratios.append(ours.rate / own.rate)
        cpu_ratios.append(chain.cpu_ms / ours.cpu_ms)
        print(
            f"round {at + 1}: bare chain {chain.rate:.0f}/s ({chain.cpu_ms:.2f} ms of CPU a clip), "
            f"bare Faust {own.rate:.0f}/s ({own.cpu_ms:.2f} ms), agents {ours.rate:.0f}/s ({ours.cpu_ms:.2f} ms), "
            f"ratios {ratios[-1]:.2f} and {faust_ratios[-1]:.2f}",
            flush=True,
        )
        if at == 0:
            print(f"worker without models at rest: {rest_mib:.0f} MiB (goal: at most {REST_MIB_MAX})", flush=True)
    print(
        f"delivery: median ratio to bare aiokafka {statistics.median(ratios):.2f} (goal: at least {GOAL}; "
        f"of CPU time {statistics.median(cpu_ratios):.2f}), to bare Faust {statistics.median(faust_ratios):.2f} "
        f"(goal: at least {FAUST_GOAL})"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CLIPS
    limit_noise()
    with temporary_kafka() as (address, folder):
        asyncio.run(measure(address, folder, count))
    leave(0)


if __name__ == "__main__":
    main()
