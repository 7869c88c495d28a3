"""Seven tiny stages with the real topics and records between them. Also a program: a worker to be killed.

What a video is called says what happens to it: `flaky-…` fails twice in transcribe, `dead-…` cannot be
downloaded, `defer-…` is put off once, `bug-…` raises in score, `poison-…` kills the process in score.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import builders
from tests.kafka_process import create_topics
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.request import request_value
from vta_stream.domain.video import VideoRequest
from vta_stream.ports import DeferError, Outcome, TerminalError, TransientError
from vta_stream.settings import Settings
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.message import full_topic, retries_topic
from vta_stream.stream.records import INPUTS, RECORDS
from vta_stream.stream.worker import leave, run_worker

CLIPS_A_VIDEO = 2


class TinyStage:
    """Base of the seven: one outcome a delivery by `work`."""

    batch_max = 1
    batch_wait_s = 0.0
    concurrency = 4
    ordered = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[list[str]] = []
        self.closed = 0

    async def setup(self) -> None:
        return

    async def close(self) -> None:
        self.closed += 1

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        self.calls.append([delivery.record.video_id for delivery in deliveries])
        return [await self.work(delivery) for delivery in deliveries]

    async def work(self, delivery: Delivery[Any]) -> Outcome:
        return ()


class Download(TinyStage):
    async def work(self, delivery: Delivery[Any]) -> Outcome:
        request: VideoRequest = delivery.record
        if request.video_id.startswith("dead-"):
            return TerminalError("private", "the video is private")
        first = self.calls.count([request.video_id]) == 1
        if request.video_id.startswith("defer-") and first:
            return DeferError("live", "not over yet", 0.5)
        return (Emission("videos.downloaded", builders.video(request.video_id, request=request)),)


class Transcribe(TinyStage):
    async def work(self, delivery: Delivery[Any]) -> Outcome:
        if delivery.record.video_id.startswith("flaky-") and delivery.attempt < 3:
            return TransientError("gpu_busy", "try again")
        return (Emission("videos.transcribed", builders.transcribed(video=delivery.record)),)


class Segment(TinyStage):
    async def work(self, delivery: Delivery[Any]) -> Outcome:
        video_id = delivery.record.video_id
        clips = [builders.clip(video_id, index, index + 1.0, index=index) for index in range(CLIPS_A_VIDEO)]
        done = builders.segmented_video(video_id, transcribed=delivery.record, clip_count=len(clips))
        return (*(Emission("clips.segmented", clip) for clip in clips), Emission("videos.done", done))


class Score(TinyStage):
    batch_max = 8
    batch_wait_s = 0.02
    concurrency = 2

    async def work(self, delivery: Delivery[Any]) -> Outcome:
        if delivery.record.video_id.startswith("poison-"):
            os._exit(9)
        if delivery.record.video_id.startswith("bug-"):
            raise ValueError("a defect")
        return (Emission("clips.scored" if delivery.record.index == 0 else "clips.rejected", delivery.record),)


class Caption(TinyStage):
    async def work(self, delivery: Delivery[Any]) -> Outcome:
        return (Emission("clips.captioned", delivery.record),)


class Embed(TinyStage):
    async def work(self, delivery: Delivery[Any]) -> Outcome:
        return (Emission("clips.embedded", delivery.record),)


class Store(TinyStage):
    """Writes a line for each delivery: topic, partition, offset, and the clip's or the video's ID."""

    batch_max = 50
    batch_wait_s = 0.1
    concurrency = 1
    ordered = True

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name)
        self._path = path
        self.busy = 0

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        self.busy += 1
        assert self.busy == 1, "one call at a time"
        lines = [
            f"{d.topic} {d.position.partition} {d.position.offset} "
            f"{getattr(d.record, 'clip_id', None) or d.record.video_id}\n"
            for d in deliveries
        ]
        await asyncio.to_thread(self._append, "".join(lines))
        self.busy -= 1
        return [()] * len(deliveries)

    def _append(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(text)


def seven(out: Path) -> dict[str, TinyStage]:
    stages = [Download("download"), Transcribe("transcribe"), Segment("segment"), Score("score"), Caption("caption"),
              Embed("embed"), Store("store", out)]  # fmt: skip
    return {stage.name: stage for stage in stages}


def make_topics(address: str, prefix: str, partitions: int = 2) -> None:
    names = [*RECORDS, *(retries_topic(stage) for stage in INPUTS)]
    create_topics(address, *(full_topic(prefix, name) for name in names), partitions=partitions)


def make_settings(address: str, prefix: str, folder: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "data_dir": folder,
        "kafka": {"bootstrap_servers": address, "topic_prefix": prefix, "session_timeout_s": 10},
        "retry": {"base_s": 0.05, "max_s": 0.5},
        "metrics": {"port": 0},
        "worker": {"name": "w1", "shutdown_grace_s": 5},
    }
    for key, change in changes.items():
        values[key] = {**values[key], **change}
    return Settings.model_validate(values)


async def publish(address: str, prefix: str, values: Sequence[bytes], topic: str = "videos") -> None:
    from aiokafka import AIOKafkaProducer

    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for value in values:
            await producer.send(full_topic(prefix, topic), value)


def requests(*video_ids: str) -> list[bytes]:
    return [request_value(builders.request(video_id)) for video_id in video_ids]


def stored(out: Path) -> dict[str, list[str]]:
    """What came to the store: by topic, the IDs in their order, repeats included."""
    found: dict[str, list[str]] = {topic: [] for topic in INPUTS["store"]}
    for line in out.read_text().splitlines() if out.exists() else []:
        topic, _, _, identity = line.split()
        found[topic].append(identity)
    return found


def everything_of(found: dict[str, list[str]], video_ids: Sequence[str]) -> bool:
    """True once the clips of all videos and the videos themselves are there."""
    clips = {identity.split("_")[0] for identity in found["clips.embedded"]}
    rejected = {identity.split("_")[0] for identity in found["clips.rejected"]}
    return set(video_ids) <= clips & rejected & set(found["videos.done"])


def lines_of(topic: str, out: Path) -> list[tuple[int, int]]:
    """Partition and offset of what came to the store from a topic, in order."""
    return [
        (int(fields[1]), int(fields[2]))
        for fields in (line.split() for line in out.read_text().splitlines())
        if fields[0] == topic
    ]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    address_, prefix_, folder_, out_, name_ = sys.argv[1:6]
    settings_ = make_settings(address_, prefix_, Path(folder_), worker={"name": name_})
    leave(
        run_worker(
            seven(Path(out_)), settings_, BrokerConnection(address_), on_ready=lambda w: print("READY", flush=True)
        )
    )
