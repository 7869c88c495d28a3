"""Ten thousand messages wait for a worker: its memory stays flat while they wait, and while they are worked off."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
from confluent_kafka import Producer

from tests import builders
from tests.stream import chain
from tests.stream.chain_running import ROOT
from vta_stream.stream.codec import encode

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

MESSAGES = 10_000
TEXT_BYTES = 10_000
"""All of them together are 100 MB, so a worker that took them all in would show it."""
PATIENCE_S = 600
MIB = 2**20
RESIDENT_MIB_MAX = 400
GROWTH_MIB_MAX = 64
HELD_LOOKS = 10


@contextmanager
def worker(address: str, prefix: str, folder: Path, gate: Path) -> Iterator[psutil.Process]:
    folder.mkdir()
    command = [sys.executable, "-m", "tests.stream.backlog_worker", address, prefix, str(folder), str(gate)]
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield psutil.Process(child.pid)
        finally:
            child.kill()
            child.wait()


class Looking:
    """Figures of the worker: its metrics, and its resident size in MiB."""

    def __init__(self, process: psutil.Process, folder: Path) -> None:
        self._process = process
        self._facts = folder / "state/worker-w1.json"
        self.peak_mib = 0.0

    def resident_mib(self) -> float:
        size_mib = float(self._process.memory_info().rss) / MIB
        self.peak_mib = max(self.peak_mib, size_mib)
        return size_mib

    async def metric(self, name: str, labels: str) -> float:
        """Of the stage, 0 while there is no answer or no such sample."""
        if not self._facts.exists():
            return 0.0
        url = json.loads(self._facts.read_text())["url"]
        async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
            found = re.search(rf"^{name}{{{labels}}} (\S+)$", await answer.text(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def until(self, name: str, labels: str, least: float) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.metric(name, labels) < least:
                self.resident_mib()
                await asyncio.sleep(0.2)


def publish(address: str, prefix: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": address, "linger.ms": 20})
    for number in range(count):
        clip = builders.clip(f"v{number}", text=f"{number} ".ljust(TEXT_BYTES, "x"))
        producer.produce(f"{prefix}.clips.segmented", encode("clips.segmented", clip), key=f"v{number}")
        producer.poll(0)
    assert producer.flush(PATIENCE_S) == 0


async def test_memory_is_flat_while_ten_thousand_wait_and_while_they_go(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    chain.make_topics(kafka, topic_prefix)
    gate, folder = tmp_path / "gate", tmp_path / "data"
    ok = 'outcome="ok",stage="score"'
    with worker(kafka, topic_prefix, folder, gate) as process:
        looking = Looking(process, folder)
        gate.touch()
        await asyncio.to_thread(publish, kafka, topic_prefix, 500)
        await looking.until("vta_messages_total", ok, 500)  # warm: all code has run once
        gate.unlink()
        warm_mib = looking.resident_mib()
        await asyncio.to_thread(publish, kafka, topic_prefix, MESSAGES)
        waiting = 'stage="score",topic="clips.segmented"'
        await looking.until("vta_lag_messages", waiting, MESSAGES - 500)
        await looking.until("vta_queue_depth_messages", 'stage="score"', 1)
        for _ in range(HELD_LOOKS):
            looking.resident_mib()
            await asyncio.sleep(0.2)
        held_mib = looking.peak_mib
        gate.touch()
        await looking.until("vta_messages_total", ok, MESSAGES + 500)
    told = f"warm {warm_mib:.0f} MiB, held back {held_mib:.0f}, worked off {looking.peak_mib:.0f}"
    print(told)
    assert looking.peak_mib - warm_mib < GROWTH_MIB_MAX, told
    assert looking.peak_mib < RESIDENT_MIB_MAX, told
