"""Nothing of a private network can be reached through a download, by whatever detour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.builders import request
from tests.sources.conftest import SourceMaker, loopback_settings, names
from vta_stream.children import ChildPool
from vta_stream.domain.video import Fetched
from vta_stream.ports import TerminalError, TransientError
from vta_stream.sources import fetching
from vta_stream.sources.addresses import NetworkGuard
from vta_stream.sources.options import Job
from vta_stream.toyworld.server import ToyServer


@pytest.fixture
def inner(site: Path) -> Iterator[ToyServer]:
    """The server that a download must not reach; `server` is the one that stands for the internet."""
    with ToyServer(site) as server:
        yield server


@pytest.fixture
async def children() -> AsyncIterator[ChildPool]:
    pool = ChildPool("download", 1, tasks_max=1)
    yield pool
    await pool.close()


def fetch_with_one_public_server(job: Job, public: str) -> Fetched:
    """In the child: the real download, for which one loopback address counts as public."""
    vars(fetching)["NetworkGuard"] = lambda **_: NetworkGuard(allow_private=False, proxy=public)
    return fetching.fetch(job)


def job(url: str, folder: Path) -> Job:
    return Job(url, "url", folder, loopback_settings(allow_private_networks=False), None, 2.0)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
async def test_ways_to_write_loopback(make_source: SourceMaker, inner: ToyServer, folder: Path, host: str) -> None:
    source = make_source(allow_private_networks=False)
    with pytest.raises(TerminalError) as caught:
        await source.fetch(request(url=inner.url("talk.mp4", host)), folder)
    assert caught.value.reason == "not_allowed"
    assert inner.seen == []


async def test_the_one_public_server_is_reached(children: ChildPool, server: ToyServer, folder: Path) -> None:
    url = server.url("talk.mp4")
    fetched = await children.run(fetch_with_one_public_server, job(url, folder), url, deadline_s=120)
    assert fetched.media == "media.mp4"


@pytest.mark.parametrize("detour", ["redirect", "page", "hls", "dash", "html redirect", "subtitles"])
async def test_detours(
    children: ChildPool, server: ToyServer, inner: ToyServer, site: Path, folder: Path, detour: str
) -> None:
    secret = inner.url("talk.mp4")
    (site / "page.html").write_text(f'<!doctype html><video><source src="{secret}" type="video/mp4"></video>')
    (site / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n")
    (site / "list.mpd").write_text(_MPD.format(secret))
    (site / "refresh.html").write_text(f'<meta http-equiv="refresh" content="0; url={secret}">')
    (site / "tracks.html").write_text(
        '<!doctype html><video><source src="/talk.mp4" type="video/mp4">'
        f'<track kind="subtitles" srclang="en" src="{secret}.vtt"></video>'
    )
    paths = {
        "redirect": f"redirect/?to={secret}",
        "page": "page.html",
        "hls": "list.m3u8",
        "dash": "list.mpd",
        "html redirect": "refresh.html",
        "subtitles": "tracks.html",
    }
    url = server.url(paths[detour])
    with pytest.raises(TerminalError) as caught:
        await children.run(fetch_with_one_public_server, job(url, folder), server.url(""), deadline_s=120)
    assert caught.value.reason == "not_allowed"
    assert server.seen
    assert inner.seen == []


_MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" width="320" height="180">
<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>
"""


async def test_a_file_address_in_a_page(children: ChildPool, server: ToyServer, site: Path, folder: Path) -> None:
    (site / "page.html").write_text('<!doctype html><video><source src="file:///etc/passwd" type="video/mp4"></video>')
    url = server.url("page.html")
    with pytest.raises((TerminalError, TransientError)):
        await children.run(fetch_with_one_public_server, job(url, folder), url, deadline_s=120)
    assert not [name for name in names(folder) if b"root:" in (folder / name).read_bytes()]


async def test_a_proxy_of_the_environment_is_not_used(
    make_source: SourceMaker, server: ToyServer, inner: ToyServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, inner.url(""))
    await make_source().fetch(request(url=server.url("talk.mp4")), folder)
    assert server.seen
    assert inner.seen == []


async def test_the_proxy_of_the_settings_is_used(make_source: SourceMaker, inner: ToyServer, folder: Path) -> None:
    source = make_source(allow_private_networks=False, proxy=inner.url(""))
    fetched = await source.fetch(request(url="http://videos.example.org/talk.mp4"), folder)
    assert fetched.media == "media.mp4"
    assert inner.count("talk.mp4")
