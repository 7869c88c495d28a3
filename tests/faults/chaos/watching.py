"""Looking at the dataset and at the workers while all of it breaks: what is in, and how long it took to go on."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.chaos.place import Place
from tests.faults.chaos.processes import WorkerProcess
from vta_stream.stores.reader import DatasetError, open_reader
from vta_stream.stream.noise import FAMILIES, of_broker

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LOOK_EVERY_S = 0.5
PATIENCE_S = 180.0
_LOGGERS = "|".join(map(re.escape, (*FAMILIES, of_broker.name)))
_ABOUT_BROKER = re.compile(rf"^\d{{4}}-\S+ \S+ [A-Z]+ +({_LOGGERS})\b".encode(), re.MULTILINE)
_COUNTS = """
SELECT (SELECT coalesce(sum(next_offset), 0) FROM offsets)::BIGINT,
(SELECT count(*) FROM videos WHERE status <> 'processing'), (SELECT count(*) FROM shards WHERE state = 'open')
"""
_SETTLED = re.compile(rb'^vta_messages_total\{[^}]*outcome="(?:ok|dead_letter)"[^}]*\} ([0-9.e+]+)', re.MULTILINE)


@dataclass
class Watch:
    """The dataset as a reader sees it, some times a second. `read_in` is the sum of the stored offsets."""

    place: Place
    read_in: int = 0
    ended: int = 0
    open_shards: int = 0
    looked_at_s: float = 0.0
    """When the last look that succeeded began."""
    moved_at_s: float = 0.0
    """When `read_in` was last seen to grow."""
    failures: int = 0
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="watch"))

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                began_s = time.monotonic()
                counts = await loop.run_in_executor(self._thread, self._look)
                if counts is not None:
                    if counts[0] > self.read_in:
                        self.moved_at_s = time.monotonic()
                    self.read_in, self.ended, self.open_shards = counts
                    self.looked_at_s = began_s
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> tuple[int, int, int] | None:
        import duckdb

        try:
            with open_reader(self.place.settings) as connection:
                return _counts(connection)
        except (DatasetError, duckdb.Error):
            self.failures += 1
            return None

    async def first_commit_after(self, moment_s: float) -> float | None:
        """Seconds from that moment to the first new commit that was seen; None after too long."""
        end_s = time.monotonic() + PATIENCE_S
        while self.looked_at_s < moment_s:
            if time.monotonic() > end_s:
                return None
            await asyncio.sleep(LOOK_EVERY_S / 2)
        base = self.read_in
        while self.read_in <= base:
            if time.monotonic() > end_s:
                return None
            await asyncio.sleep(LOOK_EVERY_S / 2)
        return time.monotonic() - moment_s


def _counts(connection: DuckDBPyConnection) -> tuple[int, int, int]:
    row = connection.execute(_COUNTS).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


async def first_message_of(worker: WorkerProcess, killed_pid: int, moment_s: float) -> float | None:
    """Seconds from that moment until the process after the killed one has finished a message; None if it died."""
    end_s = time.monotonic() + PATIENCE_S
    pid: int | None = None
    while time.monotonic() < end_s:
        await asyncio.sleep(LOOK_EVERY_S)
        if worker.pid in (None, killed_pid):
            continue
        if pid is None:
            pid = worker.pid
        if worker.pid != pid:
            return None
        if await asyncio.to_thread(settled, worker.place, worker.name, pid) > 0:
            return time.monotonic() - moment_s
    return None


def settled(place: Place, worker: str, pid: int | None) -> float:
    """Messages that this process has finished so far; 0 while it does not answer."""
    try:
        facts = json.loads((place.data / "state" / f"worker-{worker}.json").read_text())
        if facts["pid"] != pid:
            return 0.0
        with urllib.request.urlopen(f"{facts['url']}/metrics", timeout=5) as answer:
            return sum(float(value) for value in _SETTLED.findall(answer.read()))
    except (OSError, ValueError):
        return 0.0


@dataclass(frozen=True, slots=True)
class LogMark:
    """How long the logs of the workers were at a moment."""

    at_s: float
    bytes_by_worker: dict[str, int]

    @classmethod
    def now(cls, workers: list[WorkerProcess]) -> LogMark:
        sizes = {worker.name: worker.log.stat().st_size if worker.log.exists() else 0 for worker in workers}
        return cls(time.monotonic(), sizes)

    def lines_per_s(self, workers: list[WorkerProcess]) -> float:
        """Lines a second about the broker, of the worker that wrote most of them; its work it tells beside them."""
        most = 0
        for worker in workers:
            if not worker.log.exists():
                continue
            with worker.log.open("rb") as file:
                file.seek(self.bytes_by_worker.get(worker.name, 0))
                most = max(most, len(_ABOUT_BROKER.findall(file.read())))
        return most / max(time.monotonic() - self.at_s, 0.001)
