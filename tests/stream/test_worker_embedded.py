"""The same seven agents on the embedded broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.stream import chain
from vta_stream.stream.embedded import EmbeddedBroker
from vta_stream.stream.hosting import Worker


async def test_all_arrive_on_the_embedded_broker(tmp_path: Path) -> None:
    settings = chain.make_settings("unused:1", "vta", tmp_path / "data")
    out = tmp_path / "out"
    videos = [f"v{number}" for number in range(30)] + ["flaky-1"]
    broker = EmbeddedBroker(settings.state_dir, "vta")
    connection = await asyncio.to_thread(broker.start)
    try:
        await chain.publish(connection.bootstrap_servers, "vta", chain.requests(*videos, "dead-1"))
        worker = Worker(chain.seven(out), settings, connection)
        await worker.start()
        try:
            async with asyncio.timeout(90):
                while not (chain.everything_of(chain.stored(out), videos) and chain.stored(out)["dead-letters"]):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            await worker.stop()
    finally:
        broker.stop()
    assert chain.stored(out)["dead-letters"] == ["dead-1"]
