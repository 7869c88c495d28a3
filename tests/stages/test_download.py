"""The download stage over the real media store, with sources that the test controls, and with real ones."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.builders import delivery, facts, request
from vta_stream.children import ChildPool
from vta_stream.domain.delivery import Emission
from vta_stream.domain.video import Fetched, Metadata, Subtitle, Video, VideoFacts, VideoRequest
from vta_stream.media.probe import Prober
from vta_stream.metrics import REGISTRY
from vta_stream.ports import DeferError, StageError, TerminalError, TransientError
from vta_stream.settings.work import DownloadSettings, MediaStoreSettings
from vta_stream.sources.file import FileSource
from vta_stream.stages.download import DownloadStage, PrioritySlots
from vta_stream.stores.media_store import LocalMediaStore


class Shelf:
    """A source that writes what it is told to, when it is let."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.calls = 0

    async def setup(self) -> None:
        self.calls += 1

    async def close(self) -> None:
        self.calls -= 1

    async def fetch(self, request: VideoRequest, folder: Path) -> Fetched:
        self.fetched.append(request.video_id)
        (folder / "media.mp4").write_bytes(b"media of " + request.video_id.encode())
        (folder / "media.en.vtt").write_text("WEBVTT")
        await self.open.wait()
        if self.error:
            raise self.error
        return Fetched("media.mp4", (Subtitle("en", "manual", "vtt", path="media.en.vtt"),), {"channel_id": "UC1"})


INSIDE = Subtitle("de", "manual", "mov_text", stream_index=2)


class StubProber:
    async def probe(self, path: Path) -> tuple[VideoFacts, tuple[Subtitle, ...]]:
        assert await asyncio.to_thread(path.is_file)
        return facts(duration_s=30.0), (INSIDE,)

    async def close(self) -> None:
        return None


@pytest.fixture
def store(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path / "media", MediaStoreSettings(min_free_bytes=0))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def stage(store: LocalMediaStore, shelf: Shelf, **changes: Any) -> DownloadStage:
    return DownloadStage(store, {"url": shelf, "youtube": shelf}, StubProber(), DownloadSettings(**changes))


async def run(stage: DownloadStage, record: VideoRequest) -> Any:
    (outcome,) = await stage.process([delivery(record, "videos")])
    return outcome


async def video_of(stage: DownloadStage, record: VideoRequest) -> Video:
    outcome = await run(stage, record)
    assert not isinstance(outcome, StageError), outcome
    (emission,) = outcome
    assert isinstance(emission, Emission)
    assert emission.topic == "videos.downloaded"
    assert isinstance(emission.record, Video)
    return emission.record


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_the_record_describes_what_is_stored(store: LocalMediaStore, shelf: Shelf) -> None:
    bytes_before = sample("vta_download_bytes_total", source="url")
    seconds_before = sample("vta_media_seconds_total", step="downloaded")
    video = await video_of(stage(store, shelf), request("vid-1", labels={"batch": "7"}))
    assert store.path(video.media.path).read_bytes() == b"media of vid-1"
    assert video.media == store.describe(video.media.path)
    assert video.media.sha256 == hashlib.sha256(b"media of vid-1").hexdigest()
    assert video.facts == facts(duration_s=30.0)
    assert video.metadata == {"channel_id": "UC1"}
    beside, inside = video.subtitles
    assert beside.path is not None
    assert store.path(beside.path).read_text() == "WEBVTT"
    assert inside == INSIDE
    assert sample("vta_download_bytes_total", source="url") == bytes_before + len(b"media of vid-1")
    assert sample("vta_media_seconds_total", step="downloaded") == seconds_before + 30


async def test_a_redelivery_finds_the_artifact(store: LocalMediaStore, shelf: Shelf) -> None:
    first = await video_of(stage(store, shelf), request("vid-1"))
    again = await video_of(stage(store, shelf), request("vid-1", labels={"new": "label"}))
    assert shelf.fetched == ["vid-1"]
    assert again == replace(first, request=request("vid-1", labels={"new": "label"}))


async def test_two_deliveries_of_one_video_are_one_download(store: LocalMediaStore, shelf: Shelf) -> None:
    download = stage(store, shelf)
    shelf.open.clear()
    work = [asyncio.create_task(video_of(download, request("vid-1"))) for _ in range(3)]
    await asyncio.sleep(0.1)
    shelf.open.set()
    first, *others = await asyncio.gather(*work)
    assert others == [first, first]
    assert shelf.fetched == ["vid-1"]


async def test_a_video_that_another_worker_fetches_is_put_off_and_then_found(
    store: LocalMediaStore, shelf: Shelf
) -> None:
    shelf.open.clear()
    elsewhere = asyncio.create_task(video_of(stage(store, shelf), request("vid-1")))
    await asyncio.sleep(0.1)
    here = stage(store, shelf)
    outcome = await run(here, request("vid-1"))
    assert isinstance(outcome, DeferError)
    assert outcome.reason == "in_work"
    shelf.open.set()
    fetched = await elsewhere
    assert await video_of(here, request("vid-1")) == fetched
    assert shelf.fetched == ["vid-1"]


async def test_settings_that_matter_make_another_artifact(store: LocalMediaStore, shelf: Shelf) -> None:
    await video_of(stage(store, shelf), request("vid-1"))
    await video_of(stage(store, shelf, concurrency=1), request("vid-1"))
    assert len(shelf.fetched) == 1
    await video_of(stage(store, shelf, max_short_side_px=360), request("vid-1"))
    await video_of(stage(store, shelf), request("vid-1", url="https://example.org/other.mp4"))
    assert len(shelf.fetched) == 3


@pytest.mark.parametrize(
    "error",
    [TransientError("cut_off", "x"), DeferError("upcoming", "x", 60), TerminalError("private", "x")],
)
async def test_failures_are_values(store: LocalMediaStore, shelf: Shelf, error: StageError) -> None:
    shelf.error = error
    download = stage(store, shelf)
    assert await run(download, request("vid-1")) is error
    left = list((store.root / "vid-1").rglob("media.mp4"))
    assert bool(left) is not isinstance(error, TerminalError), "what can be continued stays, the rest goes"
    shelf.error = None
    assert (await video_of(download, request("vid-1"))).video_id == "vid-1"


async def test_a_full_disk_is_transient(store: LocalMediaStore, shelf: Shelf) -> None:
    shelf.error = OSError(errno.ENOSPC, "No space left on device")
    outcome = await run(stage(store, shelf), request("vid-1"))
    assert isinstance(outcome, TransientError)
    assert outcome.reason == "disk_full"


async def test_limits_hold_for_what_came(store: LocalMediaStore, shelf: Shelf) -> None:
    outcome = await run(stage(store, shelf, max_duration_s=29), request("vid-1"))
    assert isinstance(outcome, TerminalError)
    assert outcome.reason == "too_long"
    outcome = await run(stage(store, shelf, max_size_bytes=5), request("vid-1"))
    assert isinstance(outcome, TerminalError)
    assert outcome.reason == "too_large"
    assert not list((store.root / "vid-1").rglob("media.mp4"))


async def test_a_source_that_is_not_there(store: LocalMediaStore, shelf: Shelf) -> None:
    outcome = await run(stage(store, shelf), request("vid-1", source="file", url="file:///a.mp4"))
    assert isinstance(outcome, TerminalError)
    assert outcome.reason == "not_allowed"


async def test_it_waits_for_room(tmp_path: Path, shelf: Shelf) -> None:
    store = LocalMediaStore(tmp_path / "media", MediaStoreSettings(min_free_bytes=0, limit_bytes=10))
    download = stage(store, shelf)
    await video_of(download, request("vid-1"))
    work = asyncio.create_task(video_of(download, request("vid-2")))
    await asyncio.sleep(0.3)
    assert shelf.fetched == ["vid-1"]
    assert (await video_of(download, request("vid-1"))).video_id == "vid-1", "what is there needs no room"
    await asyncio.to_thread(store.remove_video, "vid-1")
    assert (await work).video_id == "vid-2"


async def test_higher_priorities_go_first(store: LocalMediaStore, shelf: Shelf) -> None:
    download = stage(store, shelf, concurrency=1)
    assert download.concurrency > 1
    shelf.open.clear()
    work = []
    for video_id, priority in (("first", 0), ("low", -1), ("plain", 0), ("high", 5), ("plain-2", 0)):
        work.append(asyncio.create_task(video_of(download, request(video_id, priority=priority))))
        await asyncio.sleep(0.02)
    shelf.open.set()
    await asyncio.gather(*work)
    assert shelf.fetched == ["first", "high", "plain", "plain-2", "low"]


async def test_a_cancelled_wait_loses_no_slot() -> None:
    slots = PrioritySlots(1)

    async def hold() -> None:
        async with slots.take(0):
            await asyncio.sleep(0)

    async with slots.take(0):
        waiting = [asyncio.create_task(hold()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()  # it has been given the slot, and has not run yet
    assert await asyncio.gather(*waiting, return_exceptions=True) != [None, None, None]
    await asyncio.wait_for(hold(), 10)


async def test_sources_are_set_up_once(store: LocalMediaStore, shelf: Shelf) -> None:
    download = stage(store, shelf)
    await download.setup()
    assert shelf.calls == 1
    await download.close()
    assert shelf.calls == 0


def test_a_record_survives_its_file() -> None:
    metadata: Metadata = {
        "title": "t",
        "duration": 1.5,
        "view_count": 7,
        "was_live": False,
        "tags": ("a", "b"),
        "license": None,
    }
    video = Video(request(), store_file(), facts(), (INSIDE,), metadata)
    assert msgspec.json.decode(msgspec.json.encode(video), type=Video) == video


def store_file() -> Any:
    from tests.builders import video

    return video().media


@pytest.fixture
async def real_stage(store: LocalMediaStore, shared_media: Path) -> AsyncIterator[DownloadStage]:
    """Files from the shared media, probed by the real probe in a child process."""
    settings = DownloadSettings(file_roots=(shared_media,))

    stage = DownloadStage(store, {"file": FileSource(settings)}, Prober(ChildPool("probe", 1)), settings)
    await stage.setup()
    yield stage
    await stage.close()


async def test_a_real_file(real_stage: DownloadStage, store: LocalMediaStore, shared_media: Path) -> None:
    path = shared_media / "video/nasa_13013.mp4"
    video = await video_of(real_stage, request("nasa", source="file", url=path.as_uri()))
    assert video.media.sha256 == "53705221cac65086253367787e964e5d7d37beeba007646106a2c780d087c9e1"
    assert video.facts.duration_s == pytest.approx(13, abs=0.5)
    assert {subtitle.format for subtitle in video.subtitles} == {"mov_text"}


async def test_a_file_without_pictures(real_stage: DownloadStage, store: LocalMediaStore, shared_media: Path) -> None:
    path = shared_media / "audio/jfk.flac"
    outcome = await run(real_stage, request("jfk", source="file", url=path.as_uri()))
    assert isinstance(outcome, TerminalError)
    assert outcome.reason == "no_video_stream"
    assert not [path for path in (store.root / "jfk").rglob("*") if path.is_file()]
