"""Running the chain of tests/stream/chain.py, here or in a process, and looking at what it did."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.stream import chain
from vta_stream.domain.delivery import DeadLetter
from vta_stream.stream.codec import decode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90


async def until(true: Callable[[], bool], worker: Worker | None = None) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.05)
            if worker is not None:
                for agent in worker._agents:
                    if agent.shell.failed.done():
                        agent.shell.failed.result()


async def healthz_says(url: str, wanted: str) -> str:
    """What /healthz says, once it fails with these words; on a slow machine others are slow for a moment, too."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/healthz") as answer:
                text = await answer.text()
                if answer.status == 503 and wanted in text:
                    return text
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(
    stages: dict[str, Any], address: str, prefix: str, folder: Path, **changes: Any
) -> AsyncIterator[Worker]:
    worker = Worker(stages, chain.make_settings(address, prefix, folder, **changes), BrokerConnection(address))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@contextmanager
def process(address: str, prefix: str, folder: Path, out: Path, name: str = "w1") -> Iterator[subprocess.Popen[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.stream.chain", address, prefix, str(folder), str(out), name]
    with (folder / f"{name}.log").open("a") as log:
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()


async def letters(address: str, prefix: str, count: int) -> list[DeadLetter]:
    from aiokafka import AIOKafkaConsumer

    found: list[DeadLetter] = []
    consumer = AIOKafkaConsumer(f"{prefix}.dead-letters", bootstrap_servers=address, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode("dead-letters", record.value) for record in records]
    return found


async def committed(address: str, group: str) -> dict[str, int]:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    totals: dict[str, int] = {}
    for partition, offset in offsets.items():
        totals[partition.topic] = totals.get(partition.topic, 0) + offset.offset
    return totals
