"""Waiting until everything that was published has come to its end, or until nothing moves any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.faults.chaos.place import PREFIX, Place
from tests.faults.chaos.publishing import Publisher
from tests.faults.chaos.watching import Watch
from vta_stream.stores.reader import open_reader
from vta_stream.stream.agents import topics_of
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.message import full_topic
from vta_stream.stream.records import INPUTS

LOOK_EVERY_S = 2.0


class Drain:
    """Over when all IDs have ended, all groups have committed all they read, and no shard is open."""

    def __init__(self, place: Place, connection: BrokerConnection, watch: Watch, publisher: Publisher) -> None:
        self._place = place
        self._connection = connection
        self._watch = watch
        self._publisher = publisher

    async def wait(self, patience_s: float, tell: Callable[[str], None]) -> str | None:
        """None when it is over; what is left, when nothing has moved for `patience_s`."""
        tell("draining")
        seen, moved_s = "", time.monotonic()
        while True:
            left = await asyncio.to_thread(self._left)
            if not left:
                tell("drained")
                return None
            state = f"{left} {self._watch.read_in}"
            if state != seen:
                seen, moved_s = state, time.monotonic()
            if time.monotonic() - moved_s > patience_s:
                return f"stuck: nothing moved for {patience_s:.0f} s, left: {left}"
            await asyncio.sleep(LOOK_EVERY_S)

    def _left(self) -> str:
        left = []
        unfinished = len(self._publisher.published) - self._watch.ended
        if unfinished > 0:
            left.append(f"{unfinished} videos")
        if self._watch.open_shards:
            left.append(f"{self._watch.open_shards} open shards")
        behind = self._behind()
        left += [f"{count} of {group} from {topic}" for (group, topic), count in sorted(behind.items())]
        return ", ".join(left)

    def _behind(self) -> dict[tuple[str, str], int]:
        """Records that a consumer group has not committed, by group and topic; the dataset's own offsets too."""
        from confluent_kafka import Consumer, TopicPartition

        behind: dict[tuple[str, str], int] = {}
        ends: dict[tuple[str, int], int] = {}
        for stage, inputs in INPUTS.items():
            group = full_topic(PREFIX, stage)
            consumer = Consumer({**self._connection.confluent_config(), "group.id": group, "log_level": 2})
            try:
                topics = [full_topic(PREFIX, topic) for topic in topics_of(stage, inputs)]
                known = consumer.list_topics(timeout=30).topics
                asked = [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
                for place in consumer.committed(asked, timeout=30):
                    low, end = consumer.get_watermark_offsets(place, timeout=30)
                    ends[place.topic.removeprefix(f"{PREFIX}."), place.partition] = end
                    missing = end - max(place.offset, low)
                    if missing > 0:
                        key = (group, place.topic)
                        behind[key] = behind.get(key, 0) + missing
            finally:
                consumer.close()
        for topic, number, next_offset in self._stored():
            missing = ends.get((topic, number), next_offset) - next_offset
            if missing > 0:
                behind["dataset", topic] = behind.get(("dataset", topic), 0) + missing
        return behind

    def _stored(self) -> list[tuple[str, int, int]]:
        with open_reader(self._place.settings) as connection:
            return connection.execute("SELECT topic, partition, next_offset FROM offsets").fetchall()
