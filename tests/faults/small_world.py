"""A pipeline small enough to be killed a hundred times: two real shells, the real store, a broker in files.

python -m tests.faults.small_world FOLDER [MUTANT]

It works until everything on the broker is in the dataset, and ends with 0. What a video is called says what becomes
of it: `dead-…` cannot be had, `flaky-…` only at the second try, all others have two clips that are accepted and one
that is not.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests import builders
from tests.faults.file_broker import FileBroker, Record, partitions
from tests.stores.lakes import DIM, FRAMES, media_store, settings
from vta_stream.domain.clip import Caption, Clip, Features
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.request import request_value
from vta_stream.domain.verdict import Verdict
from vta_stream.domain.video import MediaFile, VideoRequest
from vta_stream.ports import AnyStage, Outcome, TerminalError, TransientError
from vta_stream.settings.delivery import RetrySettings
from vta_stream.stages.store import StoreStage
from vta_stream.stores.dataset import LakeDataset
from vta_stream.stores.media_store import LocalMediaStore
from vta_stream.stream.acks import Partition
from vta_stream.stream.agents import Agent
from vta_stream.stream.crashes import CrashLedger
from vta_stream.stream.message import Message, Origin, full_topic, message_from_retries, retries_topic
from vta_stream.stream.records import INPUTS
from vta_stream.stream.shell import Shell, Surroundings
from vta_stream.stream.topology import Topology
from vta_stream.stream.trying import Suspects

PREFIX = "p"
CUT, STORE = "segment", "store"
READS = {CUT: ("videos", retries_topic(CUT)), STORE: INPUTS[STORE]}
CLIPS = 3
STORE_SETTINGS: dict[str, Any] = {
    "shard_samples_max": 3,
    "commit_records_max": 4,
    "commit_wait_s": 0.0,
    "maintenance_interval_s": 3600.0,
}


def publish(broker: FileBroker, *video_ids: str) -> None:
    for video_id in video_ids:
        broker.append(full_topic(PREFIX, "videos"), video_id.encode(), request_value(builders.request(video_id)))


def clip_of(video_id: str, index: int) -> Clip:
    """A clip as the cutter makes it; the last one of a video is rejected."""
    made = builders.clip(video_id, 10.0 * index, 10.0 * index + 4, index=index, clip_count=CLIPS)
    content = f"mp4 of {made.clip_id} ".encode() * (40 + len(video_id))
    keep = index < CLIPS - 1
    name = f"{video_id}/segment-0/{made.clip_id}"
    return replace(
        made,
        media=MediaFile(f"{name}.mp4", len(content), hashlib.sha256(content).hexdigest()),
        features=Features("tiny", f"{name}.npz", DIM, FRAMES),
        verdicts=(Verdict("motion", keep, "moves" if keep else "still", 1.0 if keep else 0.0, 0.1),),
        captions=(Caption("coca", f"a circle in {made.clip_id}", "coca-tiny", 0.4),),
    )


class Cutter:
    """A stage with artifacts: finds them if an earlier process finished them."""

    name, batch_max, batch_wait_s, concurrency, ordered = CUT, 1, 0.0, 2, False

    def __init__(self, media: LocalMediaStore) -> None:
        self._media = media
        self._in_work: dict[str, asyncio.Lock] = {}

    async def setup(self) -> None:
        return

    async def close(self) -> None:
        return

    async def process(self, deliveries: Sequence[Delivery[VideoRequest]]) -> Sequence[Outcome]:
        (delivery,) = deliveries
        async with self._in_work.setdefault(delivery.record.video_id, asyncio.Lock()):
            return [await asyncio.to_thread(self._cut, delivery)]

    def _cut(self, delivery: Delivery[VideoRequest]) -> Outcome:
        video_id = delivery.record.video_id
        if video_id.startswith("dead-"):
            return TerminalError("private", "the video is private")
        if video_id.startswith("flaky-") and delivery.attempt == 1:
            return TransientError("busy", "try again")
        clips = [clip_of(video_id, index) for index in range(CLIPS)]
        artifact = self._media.artifact(video_id, CUT, "0")
        if not artifact.exists():
            part = artifact.begin()
            for clip in clips:
                self._write(part, clip)
            artifact.commit()
        emissions = [Emission("clips.embedded" if clip.accepted else "clips.rejected", clip) for clip in clips]
        return (*emissions, Emission("videos.done", builders.segmented_video(video_id, clip_count=CLIPS)))

    def _write(self, part: Path, clip: Clip) -> None:
        import numpy as np

        content = f"mp4 of {clip.clip_id} ".encode() * (40 + len(clip.video_id))
        (part / f"{clip.clip_id}.mp4").write_bytes(content)
        vectors = np.random.default_rng(clip.index).normal(size=(FRAMES, DIM)).astype(np.float16)
        array = io.BytesIO()
        np.savez(array, frames=vectors, text=vectors[0])
        (part / f"{clip.clip_id}.npz").write_bytes(array.getvalue())


class Member:
    """An agent without Faust: it feeds its shell from the broker, and commits as `Agent` does, by the same code."""

    _commit = Agent._commit

    def __init__(self, stage: AnyStage, around: Surroundings, broker: FileBroker) -> None:
        self.stage = stage
        self.group = full_topic(PREFIX, stage.name)
        self.shell = Shell(stage, around, lambda _: None, self._read_from)
        self._broker = broker
        self._partitions = partitions(*(full_topic(PREFIX, name) for name in READS[stage.name]))
        self._read = {**dict.fromkeys(self._partitions, 0), **broker.committed(self.group)}
        self._client = SimpleNamespace(commit=self._take)

    def _read_from(self, partition: Partition, offset: int) -> None:
        self._read[partition] = offset

    async def _take(self, offsets: dict[Partition, int]) -> None:
        self._broker.commit(self.group, offsets)

    async def feed(self) -> None:
        """Read for ever. A commit follows each record, so that one which comes too early is not a matter of luck."""
        while True:
            for partition in self._partitions:
                for record in self._broker.records(partition)[self._read[partition] :]:
                    self._read[partition] = record.offset + 1
                    await self.shell.take(self._message(partition, record))
                    await self._commit()  # type: ignore[misc]
            await asyncio.sleep(0.005)
            await self._commit()  # type: ignore[misc]

    def _message(self, partition: Partition, record: Record) -> Message:
        place = (partition, record.offset, record.key, record.value, record.timestamp_s)
        name = partition.topic.partition(".")[2]
        if name == retries_topic(CUT):
            return message_from_retries(*place, record.headers, ("videos",))
        return Message(*place, Origin(name, partition.number, record.offset))

    def finished(self) -> bool:
        """All that there is has been acknowledged."""
        if self.shell.failed.done():
            self.shell.failed.result()
        committed = self._broker.committed(self.group)
        return all(committed.get(partition, 0) == self._broker.end(partition) for partition in self._partitions)


def cluster() -> Topology:
    names = {full_topic(PREFIX, name) for names in READS.values() for name in names}
    return Topology("cluster-1", {name: f"id-of-{name}" for name in names})


async def live(folder: Path) -> None:
    """Until everything is in the dataset."""
    broker = FileBroker(folder / "broker")
    media = media_store(folder)
    chosen = settings(folder, **STORE_SETTINGS)
    dataset = LakeDataset(chosen.dataset_dir, chosen.store, media)
    stages: list[Any] = [Cutter(media), StoreStage(dataset, media, chosen.store)]
    # A message may be there at every kill of a test; here that is not its fault.
    around = Surroundings(
        PREFIX,
        broker,
        CrashLedger(folder / "crashes"),
        Suspects(1000),
        cluster(),
        RetrySettings(base_s=0.01, max_s=0.02),
    )
    for stage in stages:
        await stage.setup()
    members = [Member(stage, around, broker) for stage in stages]
    for member in members:
        member.shell.start()
    feeding = [asyncio.create_task(member.feed()) for member in members]
    while not all(member.finished() for member in members):
        await asyncio.sleep(0.005)
        for task in feeding:
            if task.done():
                task.result()
    for task in feeding:
        task.cancel()
    for member in members:
        await member.shell.drain(5)
    await stages[1]._in_thread(dataset._tidy)
    for stage in stages:
        await stage.close()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        from tests.faults import mutants

        mutants.plant(sys.argv[2])
    asyncio.run(live(Path(sys.argv[1])))
