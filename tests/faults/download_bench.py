"""The real shell, download stage, source and egress; only what would be the site's answer is made by the test."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.builders import facts, request
from tests.stream.shell_bench import Bench
from vta_stream.domain.request import request_value
from vta_stream.domain.video import Fetched
from vta_stream.settings.work import DownloadSettings, MediaStoreSettings
from vta_stream.sources.egress import Egress
from vta_stream.sources.ytdlp import YtDlpSource
from vta_stream.stages.download import DownloadStage
from vta_stream.stores.media_store import LocalMediaStore
from vta_stream.stream.acks import Partition
from vta_stream.stream.codec import decode
from vta_stream.stream.message import Message, Origin, message_from_retries
from vta_stream.stream.shell import Shell
from vta_stream.stream.topology import Topology

VIDEOS = Partition("p.videos", 0)
RETRIES = Partition("p.download.retries", 0)
HOST = "busy.example"
PATIENCE_S = 120
IDS = [f"vid-{number}" for number in range(40)]


class Site:
    """In the place of the children. `answer` raises, or lets the video be had; `asked` are (video, when)."""

    def __init__(self, answer: Callable[[str], None]) -> None:
        self.asked: list[tuple[str, float]] = []
        self._answer = answer

    async def run(self, _: Any, job: Any, *, deadline_s: float) -> Fetched:
        video_id = job.url.rpartition("/")[2].removesuffix(".mp4")
        self.asked.append((video_id, time.time()))
        await asyncio.sleep(0.002)
        self._answer(video_id)
        await asyncio.to_thread((job.folder / "media.mp4").write_bytes, b"media")
        return Fetched("media.mp4", (), {})

    async def close(self) -> None:
        return


class Prober:
    async def probe(self, path: Path) -> tuple[Any, tuple[()]]:
        return facts(duration_s=30.0), ()

    async def close(self) -> None:
        return


@asynccontextmanager
async def downloading(
    folder: Path, site: Site, **store_settings: Any
) -> AsyncIterator[tuple[Shell, Bench, LocalMediaStore]]:
    """A download agent whose retries come back, and that would bury a message at its second attempt."""
    settings = DownloadSettings(url_hosts=(HOST,), youtube=False)
    source = YtDlpSource(settings, Egress(1e9, folder / "egress.json"))
    source._children = site  # type: ignore[assignment]
    store = LocalMediaStore(folder / "media", MediaStoreSettings(**{"min_free_bytes": 0, **store_settings}))
    bench = Bench(folder)
    bench.topology = Topology("c", {VIDEOS.topic: "t1", RETRIES.topic: "t2"})
    stage = DownloadStage(store, {"url": source}, Prober(), settings)
    async with bench.shell(stage, attempts_max=1) as shell:
        feeding = asyncio.create_task(feed_retries(shell, bench))
        yield shell, bench, store
        feeding.cancel()


async def feed_retries(shell: Shell, bench: Bench) -> None:
    read, offset = 0, 0
    while True:
        for record in bench.sender.sent[read:]:
            read += 1
            if record.topic == RETRIES.topic:
                place = (RETRIES, offset, record.key, record.value, 0.0)
                offset += 1
                await shell.take(message_from_retries(*place, record.headers, ("videos",)))
        await asyncio.sleep(0.005)


async def take(shell: Shell, *video_ids: str) -> None:
    for offset, video_id in enumerate(video_ids):
        value = request_value(request(video_id, source="url", url=f"https://{HOST}/{video_id}.mp4"))
        await shell.take(Message(VIDEOS, offset, b"k", value, 0.0, Origin("videos", 0, offset)))


def downloaded(bench: Bench) -> Counter[str]:
    sent = [record.value for record in bench.sender.sent if record.topic == "p.videos.downloaded"]
    return Counter(decode("videos.downloaded", value).video_id for value in sent)


async def ended(bench: Bench, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(downloaded(bench)) < count:  # noqa: ASYNC110 - the bench offers no event to wait for
            await asyncio.sleep(0.01)
