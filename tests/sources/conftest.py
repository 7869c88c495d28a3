"""A web server that can misbehave, and yt-dlp that may go there."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vta_stream.settings.work import DownloadSettings
from vta_stream.sources.egress import Egress
from vta_stream.sources.ytdlp import YtDlpSource
from vta_stream.toyworld.server import ToyServer

SourceMaker = Callable[..., YtDlpSource]


@pytest.fixture
def site(tmp_path: Path, shared_media: Path) -> Path:
    """The folder that the server serves: a real video, a large one, subtitles."""
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(shared_media / "video/nasa_13013.mp4", folder / "talk.mp4")
    (folder / "talk.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n")
    return folder


@pytest.fixture
def server(site: Path) -> Iterator[ToyServer]:
    with ToyServer(site) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where downloads go."""
    folder = tmp_path / "download"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def loopback_settings(**changes: Any) -> DownloadSettings:
    """Settings that let a download go to the test's server, as fast as it can."""
    values = {"url_hosts": ("*",), "allow_private_networks": True, "requests_per_hour": 1e6, "concurrency": 2}
    return DownloadSettings.model_validate(values | changes)


@pytest.fixture
async def make_source(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SourceMaker]:
    """Makes sources by `DownloadSettings` fields, and closes them."""
    made: list[YtDlpSource] = []

    def make(**changes: Any) -> YtDlpSource:
        settings = loopback_settings(**changes)
        egress = Egress(settings.requests_per_hour, tmp_path_factory.mktemp("egress") / "machine.json")
        made.append(YtDlpSource(settings, egress, socket_timeout_s=2))
        return made[-1]

    yield make
    for source in made:
        await source.close()
