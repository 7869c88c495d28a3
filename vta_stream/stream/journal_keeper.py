"""Moves requests between the journal and the embedded broker, in one thread of the worker.

Requests that others publish (kcat) are written down. Requests in the journal are published: at the start all whose
video has not ended, later those that `vta-stream submit` appends. Publishing waits while the agents have enough to
do, because the embedded broker drops what it has no room for. Should it have dropped something all the same, then
nothing is in work and yet a video has not ended: its request is published again.
"""

from __future__ import annotations

import logging
import threading
import time
from itertools import islice
from typing import Any

from vta_stream.domain.request import parse_request
from vta_stream.stream.backlog import Backlog
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.journal import Ended, Entry, Journal

LOG = logging.getLogger(__name__)

HEADER = "vta-journal"
INPUT = "videos"
WAITING_REQUESTS_MAX = 64
"""Publishing waits while so many requests wait in a partition of the input topic…"""
WAITING_RECORDS_MAX = 500
"""…or so many records in any other: at some 5 KB a clip, half of what the embedded broker keeps."""
SCANNED_MAX = 20_000
"""Lines of the journal a turn: most are skipped when others publish, and following must not wait for long."""
COMPACT_BYTES = 4 * 1024**2
IDLE_S = 5.0
IDLE_MAX_S = 3600.0


class JournalKeeper:
    """Start it once the broker is there, stop it before the broker goes."""

    def __init__(self, journal: Journal, connection: BrokerConnection, prefix: str, ended: Ended) -> None:
        self.journal = journal
        self.ended = ended
        self.connection = connection
        self.topic = f"{prefix}.{INPUT}"
        self._backlog = Backlog(connection, prefix)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._position = 0
        self._boundary = 0
        self._compact_at = COMPACT_BYTES
        self._unwritten: list[bytes] = []
        self._next_offset: dict[int, int] = {}
        self._idle_since: float | None = None
        self._idle_s = IDLE_S
        self._consumer: Any = None
        self._producer: Any = None

    def start(self) -> None:
        """Drop what has ended, then publish and follow in a thread of its own."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

        if self.journal.size_bytes():
            self.journal.compact(self.ended)
        self._boundary = self.journal.size_bytes()
        self._compact_at = max(COMPACT_BYTES, 2 * self._boundary)
        config = {**self.connection.confluent_config(), "log_level": 2}
        self._producer = Producer({**config, "acks": "all"})
        follow = {"group.id": f"{self.topic}.journal", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**config, **follow})
        partitions = self._consumer.list_topics(self.topic, timeout=10).topics[self.topic].partitions
        self._consumer.assign([TopicPartition(self.topic, number, OFFSET_BEGINNING) for number in partitions])
        self._thread.start()

    def stop(self) -> None:
        """Write down what came in, and end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._turn()
                except Exception:
                    LOG.exception("the journal stumbled; it tries again in a second")
                    self._stop.wait(1)
            self._follow(timeout_s=0.1)
        finally:
            self._consumer.close()

    def _turn(self) -> None:
        self._follow(timeout_s=0.2)
        if self.journal.size_bytes() > self._compact_at:
            self._compact()
        if self._publish():
            self._idle_since = None
        elif self._idle():
            self._repair()

    def _follow(self, timeout_s: float) -> None:
        """Write down the requests that others have published."""
        for message in self._consumer.consume(10_000, timeout_s):
            if message.error():
                LOG.error("the journal cannot read %s: %s", self.topic, message.error())
                continue
            self._check_gap(message.partition(), message.offset())
            if HEADER not in dict(message.headers() or ()) and _is_request(message.value()):
                self._unwritten.append(message.value())
        self.journal.append(self._unwritten, published=True)
        self._unwritten = []

    def _check_gap(self, partition: int, offset: int) -> None:
        lost = offset - self._next_offset.get(partition, 0)
        if lost > 0:
            LOG.error(
                "%d requests were published faster than the embedded broker could hold them, and are lost to the "
                "journal; submit them again with vta-stream submit, which writes them down first",
                lost,
            )
        self._next_offset[partition] = offset + 1

    def _publish(self) -> bool:
        """Publish the next requests of the journal, if the agents have room. True if there was something to do."""
        fresh, end, last = self._next()
        if end == self._position:
            return False
        if fresh:
            waiting = self._backlog.waiting()
            if waiting.pop(INPUT) >= WAITING_REQUESTS_MAX or max(waiting.values()) >= WAITING_RECORDS_MAX:
                return True
            for entry in fresh:
                key = entry.video_id.encode()
                self._producer.produce(self.topic, value=entry.value, key=key, headers={HEADER: b"1"})
            if self._producer.flush(30):
                raise TimeoutError("the embedded broker does not take the journal's requests")
            self.journal.mark(end)
        self._position = end
        if last >= self._boundary:
            self._idle_s = IDLE_S  # there is news: no repair of the same again
        return True

    def _next(self) -> tuple[list[Entry], int, int]:
        """The next requests to publish, where the last one that was looked at ends, and where that one starts."""
        fresh: list[Entry] = []
        end, last = self._position, 0
        for entry in islice(self.journal.read(self._position), SCANNED_MAX):
            end, last = entry.end, entry.start
            if entry.start < self._boundary or not entry.published:
                fresh.append(entry)
            if len(fresh) == WAITING_REQUESTS_MAX:
                break
        return fresh, end, last

    def _compact(self) -> None:
        self._position, self._boundary = self.journal.compact(self.ended, self._position, self._boundary)
        self._compact_at = max(COMPACT_BYTES, 2 * self.journal.size_bytes())

    def _idle(self) -> bool:
        """True once nothing has been in work for a while; every repair makes the while longer."""
        if self._position == 0 and not any(True for _ in self.journal.read(0)):
            return False
        now = time.monotonic()
        if self._idle_since is not None and now - self._idle_since < self._idle_s:
            return False
        if any(self._backlog.waiting().values()):
            self._idle_since = None
            self._stop.wait(0.5)
            return False
        if self._idle_since is None:
            self._idle_since = now
            return False
        return True

    def _repair(self) -> None:
        """Nothing is in work: what has not ended was lost on the way, so it goes round again."""
        self._idle_since = None
        self._idle_s = min(2 * self._idle_s, IDLE_MAX_S)
        self._compact()
        left = sum(1 for _ in self.journal.read(0))
        if left:
            LOG.warning("nothing is in work but %d videos have not ended; their requests are published again", left)
            self._position, self._boundary = 0, self.journal.size_bytes()


def _is_request(value: bytes | None) -> bool:
    """False for junk: it names no video that could be lost, and the download agent sends it to the dead letters."""
    try:
        parse_request(value or b"")
    except ValueError:
        return False
    return True
