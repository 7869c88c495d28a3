"""How soon a clip that was accepted can be queried: seconds from its last verdict to its row in a reader's eyes.

    .venv/bin/python -m tests.bench.visible [CLIPS_PER_SECOND] [SECONDS]

A real Kafka, the real agents `embed` (its stage passes clips on: models would measure themselves) and `store` with
default settings and clips whose media exist. Accepted clips are published at an even rate on `clips.captioned`, each
stamped with the time then. A plain DuckDB connection asks over and over, and notes when each clip is first there.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.kafka_process import temporary_kafka
from tests.stores.lakes import embedded
from vta_stream.domain.clip import Clip
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.ports import AnyStage, Outcome
from vta_stream.settings import Settings
from vta_stream.stages.store import StoreStage
from vta_stream.stores.dataset import LakeDataset
from vta_stream.stores.media_store import LocalMediaStore
from vta_stream.stores.reader import open_reader
from vta_stream.stream.codec import encode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker
from vta_stream.stream.message import Outgoing, full_topic
from vta_stream.stream.noise import limit_noise
from vta_stream.stream.producer import KafkaSender
from vta_stream.stream.topics import Topics
from vta_stream.stream.worker import leave

PREFIX = "visible"
GOAL_S = 5.0
ASK_EVERY_S = 0.05
PATIENCE_S = 120.0


class EmbedNothing:
    """The embed stage without a model: its clips have features already."""

    name, ordered, concurrency, batch_max, batch_wait_s = "embed", False, 1, 16, 0.0

    async def setup(self) -> None:
        """Nothing to load."""

    async def process(self, deliveries: Sequence[Delivery[Clip]]) -> Sequence[Outcome]:
        """Each clip as it is."""
        return [(Emission("clips.embedded", delivery.record),) for delivery in deliveries]

    async def close(self) -> None:
        """Nothing to release."""


def watch(settings: Settings, count: int) -> dict[str, float]:
    """When each clip was first seen in the dataset, by clip ID (Unix seconds); blocks until there are `count`."""
    seen: dict[str, float] = {}
    end_s = time.monotonic() + PATIENCE_S + count
    with open_reader(settings) as reader:
        while len(seen) < count and time.monotonic() < end_s:
            rows = reader.execute("SELECT clip_id FROM clips WHERE accepted").fetchall()
            now_s = time.time()
            for (clip_id,) in rows:
                seen.setdefault(clip_id, now_s)
            time.sleep(ASK_EVERY_S)
    return seen


async def publish(connection: BrokerConnection, clips: Sequence[Clip], rate: float) -> dict[str, float]:
    """Send the clips at an even rate, judged as they are sent; when each was judged, by clip ID."""
    judged: dict[str, float] = {}
    sender = KafkaSender(connection, "bench")
    await sender.start()
    sending = set[asyncio.Task[None]]()
    begun_s = time.monotonic()
    for at, clip in enumerate(clips):
        await asyncio.sleep(max(0.0, begun_s + at / rate - time.monotonic()))
        judged[clip.clip_id] = time.time()
        value = encode("clips.captioned", replace(clip, judged_at_s=judged[clip.clip_id]))
        task = asyncio.create_task(
            sender.send([Outgoing(full_topic(PREFIX, "clips.captioned"), clip.video_id.encode(), value)])
        )
        sending.add(task)
        task.add_done_callback(sending.discard)
    await asyncio.gather(*sending)
    await sender.stop()
    return judged


async def measure(address: str, folder: Path, rate: float, seconds: float) -> list[float]:
    """Seconds from verdict to view of every clip, in ascending order."""
    connection = BrokerConnection(address)
    topics = Topics(connection, PREFIX)
    await asyncio.to_thread(lambda: topics.apply(topics.diff()))
    chosen: dict[str, Any] = {
        "data_dir": folder,
        "kafka": {"bootstrap_servers": address, "topic_prefix": PREFIX},
        "metrics": {"port": 0},
    }
    settings = Settings.model_validate(chosen)
    clips = [embedded(folder, f"video-{at:06d}") for at in range(round(rate * seconds))]
    media = LocalMediaStore(settings.media_dir, settings.media_store)
    store = StoreStage(LakeDataset(settings.dataset_dir, settings.store, media), media, settings.store)
    stages: dict[str, AnyStage] = {"embed": EmbedNothing(), "store": store}
    worker = Worker(stages, settings, connection)
    await worker.start()
    try:
        while not worker.ready:  # noqa: ASYNC110 - the worker offers no event to wait for
            await asyncio.sleep(0.1)
        watching = asyncio.create_task(asyncio.to_thread(watch, settings, len(clips)))
        judged = await publish(connection, clips, rate)
        seen = await watching
    finally:
        await worker.stop()
    if missing := judged.keys() - seen.keys():
        raise SystemExit(f"{len(missing)} of {len(judged)} clips never came")
    return sorted(seen[clip_id] - judged[clip_id] for clip_id in judged)


def main() -> None:
    rate = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    limit_noise()
    with temporary_kafka() as (address, folder):
        delays_s = asyncio.run(measure(address, folder / "data", rate, seconds))
    p99_s = delays_s[min(len(delays_s) - 1, int(0.99 * len(delays_s)))]
    print(
        f"accepted to visible, {len(delays_s)} clips at {rate:g}/s: median {statistics.median(delays_s):.2f} s, "
        f"p99 {p99_s:.2f} s (goal: at most {GOAL_S:g} s), longest {delays_s[-1]:.2f} s"
    )
    leave(0)


if __name__ == "__main__":
    main()
