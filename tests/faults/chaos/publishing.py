"""IDs published all the while, some of them twice, and nothing counted before the broker has it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

from tests.faults.chaos import world
from tests.faults.chaos.place import PREFIX
from vta_stream.domain.request import request_value
from vta_stream.domain.video import VideoRequest

TWICE_SHARE = 0.15
AGAIN_AFTER_MAX = 400
GARBAGE_EVERY = 97
TICK_S = 0.1


class Publisher:
    """Publishes so many that about `backlog` videos are unfinished at any time. `published` counts by ID."""

    def __init__(self, address: str, seed: int, backlog: int, poison_every: int) -> None:
        from confluent_kafka import Producer

        # No end of trying: what was asked for is published in the end, however long the broker is away.
        config: dict[str, Any] = {"bootstrap.servers": address, "acks": "all", "enable.idempotence": True}
        self._producer = Producer({**config, "message.timeout.ms": 0, "linger.ms": 5, "log_level": 2})
        self._chooser = Random(f"publisher {seed}")
        self._fresh = world.new_ids(seed, poison_every)
        self._again: deque[tuple[int, str]] = deque()
        self._backlog = backlog
        self._sent = 0
        self.published: Counter[str] = Counter()
        self.garbage = 0
        self.refused: list[str] = []

    @property
    def count(self) -> int:
        """All messages that the broker has."""
        return self.published.total() + self.garbage

    async def publish(self, ended: Callable[[], int], stop: asyncio.Event) -> None:
        """Keep the backlog up until `stop`, then wait until the broker has all. `ended` counts finished videos."""
        asked: set[str] = set()
        while not stop.is_set():
            while len(asked) - ended() < self._backlog:
                asked.add(self._next())
            self._producer.poll(0)
            await asyncio.sleep(TICK_S)
        for _, video in self._again:
            self._send(video)
        await asyncio.to_thread(self._producer.flush)

    def _next(self) -> str:
        """Send one ID, and now and then an earlier one too, or what nobody can read."""
        self._sent += 1
        if self._sent % GARBAGE_EVERY == 0:
            self._produce(None, world.GARBAGE)
        while self._again and self._again[0][0] <= self._sent:
            self._send(self._again.popleft()[1])
        video = next(self._fresh)
        self._send(video)
        if self._chooser.random() < TWICE_SHARE:
            at_once = self._chooser.random() < 0.3
            when = self._sent + (0 if at_once else self._chooser.randint(1, AGAIN_AFTER_MAX))
            self._again.append((when, video))
            self._again = deque(sorted(self._again))
        return video

    def _send(self, video: str) -> None:
        request = VideoRequest(video, f"https://www.youtube.com/watch?v={video}", "youtube", labels={"run": "chaos"})
        if self._chooser.random() < 0.5:  # as with `echo ID | kcat`: without a key, so on any partition
            self._produce(video, video.encode(), None)
        else:
            self._produce(video, request_value(request), video)

    def _produce(self, video: str | None, value: bytes, key: str | None = None) -> None:
        def delivered(error: Any, _: Any) -> None:
            if error is not None:
                self.refused.append(f"{video}: {error.str()}")
            elif video is None:
                self.garbage += 1
            else:
                self.published[video] += 1

        self._producer.produce(f"{PREFIX}.videos", value, key=key, on_delivery=delivered)
