"""Get a video into the media store, and say what came."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import msgspec

from vta_stream import metrics
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.video import Fetched, MediaFile, Source, Subtitle, Video, VideoFacts, VideoRequest
from vta_stream.ports import (
    DISK_FULL,
    ArtifactFolder,
    MediaStore,
    Outcome,
    StageError,
    TerminalError,
    TransientError,
    VideoSource,
)
from vta_stream.settings.work import DownloadSettings


class Prober(Protocol):
    """Looks into a media file where a crash does no harm."""

    async def probe(self, path: Path) -> tuple[VideoFacts, tuple[Subtitle, ...]]:
        """The facts and the subtitles inside; TerminalError `no_video_stream` and its kin."""

    async def close(self) -> None:
        """End the children."""


RECORD = "video.json"
LAYOUT = 1
"""Part of the artifact's key: counts up when what lies in an artifact changes."""
WAITING_PER_SLOT = 4


class DownloadStage:
    """`videos` to `videos.downloaded`.

    More requests are taken than can be fetched at a time, so that those with a higher priority go first. A
    video that is there already, whole, is not fetched again, and two deliveries of one video are one
    download; if another worker is at it, this one's is put off. What an interrupted download left is continued;
    what can never work is removed.
    """

    name = "download"
    batch_max = 1
    batch_wait_s = 0.0
    ordered = False

    def __init__(
        self, store: MediaStore, sources: Mapping[Source, VideoSource], prober: Prober, settings: DownloadSettings
    ) -> None:
        self.concurrency = settings.concurrency * (1 + WAITING_PER_SLOT)
        self._store = store
        self._sources = sources
        self._prober = prober
        self._settings = settings
        self._slots = PrioritySlots(settings.concurrency)
        self._in_work: dict[str, tuple[asyncio.Lock, int]] = {}

    async def setup(self) -> None:
        """Check what the sources need."""
        for source in dict.fromkeys(self._sources.values()):
            await source.setup()

    async def process(self, deliveries: Sequence[Delivery[VideoRequest]]) -> Sequence[Outcome]:
        """Fetch each video; one outcome each."""
        return [await self._process(delivery.record) for delivery in deliveries]

    async def close(self) -> None:
        """Stop what the sources and the prober still do."""
        for source in dict.fromkeys(self._sources.values()):
            await source.close()
        await self._prober.close()

    async def _process(self, request: VideoRequest) -> Outcome:
        artifact = self._store.artifact(request.video_id, self.name, self._key(request))
        try:
            async with self._alone(artifact.relative):
                video = await self._stored(artifact) or await self._fetch(request, artifact)
        except StageError as error:
            return error
        except OSError as error:
            reason = "disk_full" if error.errno in DISK_FULL else "io_error"
            return TransientError(reason, f"The media store cannot be written: {error}.")
        return (Emission("videos.downloaded", replace(video, request=request)),)

    @asynccontextmanager
    async def _alone(self, relative: str) -> AsyncIterator[None]:
        """Two deliveries of one video: the second waits for the first, and finds its artifact."""
        lock, users = self._in_work.get(relative, (asyncio.Lock(), 0))
        self._in_work[relative] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._in_work.pop(relative)
            if users > 1:
                self._in_work[relative] = (lock, users - 1)

    def _key(self, request: VideoRequest) -> str:
        """Names the request's address and the settings that decide what is fetched, and no others."""
        settings = self._settings
        sizes = (settings.max_short_side_px, settings.max_long_side_px)
        subtitles = (settings.subtitle_languages, settings.automatic_subtitles)
        return hashlib.sha256(json.dumps([LAYOUT, request.url, sizes, subtitles]).encode()).hexdigest()[:12]

    async def _stored(self, artifact: ArtifactFolder) -> Video | None:
        """The video that an earlier delivery fetched, or None."""
        if not artifact.exists():
            return None
        path = self._store.path(f"{artifact.relative}/{RECORD}")
        try:
            return msgspec.json.decode(await asyncio.to_thread(path.read_bytes), type=Video)
        except FileNotFoundError:
            raise TransientError("media_gone", f"{artifact.relative} was removed meanwhile.") from None

    async def _fetch(self, request: VideoRequest, artifact: ArtifactFolder) -> Video:
        source = self._sources.get(request.source)
        if source is None:
            raise TerminalError("not_allowed", f"This worker takes no {request.source} videos.")
        async with self._slots.take(request.priority):
            await self._store.wait_for_room()
            with artifact.alone() as folder:
                stored = await self._stored(artifact)  # another worker's, which was done a moment ago
                video = stored or await self._fetch_into(folder, request, source, artifact)
        metrics.DOWNLOAD_BYTES.labels(source=request.source).inc(video.media.size_bytes)
        metrics.MEDIA_SECONDS.labels(step="downloaded").inc(video.facts.duration_s or 0.0)
        return video

    async def _fetch_into(
        self, folder: Path, request: VideoRequest, source: VideoSource, artifact: ArtifactFolder
    ) -> Video:
        try:
            fetched = await source.fetch(request, folder)
            video = await self._look(request, folder, artifact.relative, fetched)
        except TerminalError:
            # It will not be tried again, and may be large; a transient failure continues from here.
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        await asyncio.to_thread((folder / RECORD).write_bytes, msgspec.json.encode(video))
        await asyncio.to_thread(artifact.commit)
        return video

    async def _look(self, request: VideoRequest, folder: Path, relative: str, fetched: Fetched) -> Video:
        """Believe what came, not what was promised."""
        path = folder / fetched.media
        size_bytes = path.stat().st_size
        if size_bytes > self._settings.max_size_bytes:
            limit = self._settings.max_size_bytes
            raise TerminalError("too_large", f"It has {size_bytes} bytes; download.max_size_bytes allows {limit}.")
        facts, inside = await self._prober.probe(path)
        if facts.duration_s is not None and facts.duration_s > self._settings.max_duration_s:
            limit_s = self._settings.max_duration_s
            text = f"It is {facts.duration_s:.0f} s long; download.max_duration_s allows {limit_s:g}."
            raise TerminalError("too_long", text)
        beside = tuple(replace(subtitle, path=f"{relative}/{subtitle.path}") for subtitle in fetched.subtitles)
        media = MediaFile(f"{relative}/{fetched.media}", size_bytes, await asyncio.to_thread(_sha256, path))
        return Video(request, media, facts, (*beside, *inside), fetched.metadata)


class PrioritySlots:
    """So many at a time; among those who wait the highest priority goes first, then who came first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._arrivals = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def take(self, priority: int) -> AsyncIterator[None]:
        """Hold one slot."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(priority)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, priority: int) -> None:
        self._arrivals += 1
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-priority, self._arrivals, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given the slot in the same moment
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)  # the slot goes from hand to hand
                return
        self._free += 1


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
