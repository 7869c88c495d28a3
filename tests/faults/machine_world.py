"""The store and the ordered acks in one process, that can die at any failpoint: an image of its files is taken there.

What a killed process leaves is what its files held at that moment. So the image is put in the folder's place and
opened again, and all that was in memory is gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from tests.builders import delivery
from tests.stores.lakes import dead, done, embedded, media_store, rejected, settings, topic_of
from vta_stream import failpoints
from vta_stream.domain.clip import Clip
from vta_stream.domain.delivery import DeadLetter, Delivery
from vta_stream.stores.dataset import LakeDataset
from vta_stream.stream.acks import OrderedAcks, Partition, Seen

CLIPS = 2
BEFORE_COMMIT = ("store.appending", "store.appended", "store.inserted")
AFTER_COMMIT = ("store.committed", "store.sealing", "store.sealed", "store.listing")
TOPICS = ("clips.embedded", "clips.rejected", "videos.done", "dead-letters")
PARTITIONS = tuple(Partition(topic, 0) for topic in TOPICS)

Place = tuple[Partition, int]


class World:
    """The logs and the broker's commits outlast everything; `acks`, `in_hand` and `lake` die with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._chosen = settings(folder, shard_samples_max=2)
        self.dataset_dir = self._chosen.dataset_dir
        self.media = media_store(folder)
        self.logs: dict[Partition, list[object]] = {partition: [] for partition in PARTITIONS}
        self.committed = dict.fromkeys(PARTITIONS, 0)
        self.start()

    def start(self) -> None:
        """A process begins: it recovers the dataset, and reads on from what the broker has."""
        self.acks = OrderedAcks()
        self.in_hand: list[Place] = []
        self.read = dict(self.committed)
        self.lake = LakeDataset(self.dataset_dir, self._chosen.store, self.media)
        self.lake.open()

    def publish(self, video_id: str) -> None:
        """All of a video's records, its media in the media store; for the first time or again."""
        records = (
            embedded(self._folder, video_id, 0, CLIPS),
            rejected(video_id, 1, CLIPS),
            done(self._folder, video_id, CLIPS),
        )
        for record in records:
            self.logs[Partition(topic_of(record), 0)].append(record)

    def arrive(self, partition: Partition) -> Seen:
        """The next record of a partition."""
        offset = self.read[partition]
        self.read[partition] += 1
        seen = self.acks.arrive(partition, offset, 0.0)
        if seen is Seen.NEW:
            self.in_hand.append((partition, offset))
        return seen

    def record(self, place: Place) -> object:
        return self.logs[place[0]][place[1]]

    def deliveries(self, places: Sequence[Place]) -> list[Delivery[object]]:
        return [delivery(self.record(place), place[0].topic, place[1]) for place in places]

    def bury(self, place: Place) -> None:
        """The shell's dead letter of a clip that the store refused."""
        clip = self.record(place)
        assert isinstance(clip, Clip)
        letter = dead("store", clip.video_id, clip.clip_id, place[1], topic=place[0].topic, reason="refused")
        self.logs[Partition("dead-letters", 0)].append(letter)

    def acknowledge(self, places: Sequence[Place]) -> None:
        for place in places:
            self.in_hand.remove(place)
            self.acks.finish(*place)

    @contextmanager
    def dying_at(self, point: str) -> Iterator[list[Path]]:
        """Take an image when the failpoint is passed; the list holds it, or nothing if the point was not passed."""
        images: list[Path] = []

        def die(*_: object) -> None:
            images.append(self._image())

        real, failpoints._passed = failpoints.os, {}
        failpoints.os = SimpleNamespace(kill=die, write=lambda *_: 0, getpid=os.getpid)  # type: ignore[assignment]
        failpoints._armed = point
        try:
            yield images
        finally:
            failpoints._armed, failpoints.os = None, real

    def _image(self) -> Path:
        image = self._folder / "image"
        shutil.copytree(self.dataset_dir, image)
        return image

    def die(self, image: Path | None = None) -> None:
        """The process is gone; the next one finds the image, or the files as they are."""
        image = image or self._image()
        self.lake.close()
        shutil.rmtree(self.dataset_dir)
        image.rename(self.dataset_dir)
        self.start()

    def close(self) -> None:
        self.lake.close()
        shutil.rmtree(self._folder)


def letter_key(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.topic, letter.partition, letter.offset
