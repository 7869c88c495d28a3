"""The real yt-dlp against a web server on loopback."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import av
import psutil
import pytest

from tests.builders import request
from tests.sources.conftest import SourceMaker, names
from vta_stream.domain.video import Subtitle
from vta_stream.ports import DeferError, StageError, TerminalError, TransientError
from vta_stream.sources import ytdlp
from vta_stream.toyworld.server import ToyServer


def download_children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE and "vta_stream.children.child" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


async def failure(source: ytdlp.YtDlpSource, url: str, folder: Path) -> StageError:
    with pytest.raises(StageError) as caught:
        await source.fetch(request(url=url), folder)
    return caught.value


async def test_a_video_file(make_source: SourceMaker, server: ToyServer, site: Path, folder: Path) -> None:
    source = make_source()
    fetched = await source.fetch(request(url=server.url("talk.mp4")), folder)
    assert fetched.media == "media.mp4"
    assert fetched.subtitles == ()
    assert fetched.metadata["title"] == "talk"
    assert (folder / "media.mp4").read_bytes() == (site / "talk.mp4").read_bytes()
    assert names(folder) == ["media.mp4"]
    await source.close()
    assert not download_children()


async def test_no_address_gets_into_the_metadata(make_source: SourceMaker, server: ToyServer, folder: Path) -> None:
    url = server.url("page/talk.mp4?token=s3cret")
    fetched = await make_source().fetch(request(url=url), folder)
    assert not [value for value in fetched.metadata.values() if "127.0.0.1" in str(value) or "s3cret" in str(value)]


async def test_a_page_with_subtitles(make_source: SourceMaker, server: ToyServer, site: Path, folder: Path) -> None:
    fetched = await make_source().fetch(request(url=server.url("page/talk.mp4?subtitles=talk.vtt")), folder)
    assert fetched.subtitles == (Subtitle("en", "manual", "vtt", path="media.en.vtt"),)
    assert (folder / "media.en.vtt").read_bytes() == (site / "talk.vtt").read_bytes()
    assert fetched.metadata["title"] == "A page (1)"


async def test_pictures_and_sound_apart_are_merged(
    make_source: SourceMaker, server: ToyServer, site: Path, folder: Path
) -> None:
    """DASH: the largest picture within the limits, and the sound, are put into one file without encoding."""
    sizes = ("320x180", "640x360", "1920x1080")
    inputs = [word for size in sizes for word in ("-f", "lavfi", "-i", f"testsrc=size={size}:rate=10:duration=2")]
    maps = [word for index in range(len(sizes) + 1) for word in ("-map", str(index))]
    command = ["ffmpeg", "-v", "error", *inputs, "-f", "lavfi", "-i", "sine=duration=2", *maps]
    command += [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-c:a",
        "aac",
        "-adaptation_sets",
        "id=0,streams=v id=1,streams=a",
    ]
    await asyncio.to_thread(subprocess.run, [*command, "-f", "dash", str(site / "list.mpd")], check=True)
    fetched = await make_source().fetch(request(url=server.url("list.mpd")), folder)
    assert names(folder) == [fetched.media] == ["media.mp4"]
    with av.open(str(folder / fetched.media)) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert (video.width, video.height, video.codec_context.name) == (640, 360, "h264")
        assert audio.codec_context.name == "aac"


async def test_a_language_that_leads_elsewhere(make_source: SourceMaker, server: ToyServer, folder: Path) -> None:
    url = server.url("page/talk.mp4?subtitles=talk.vtt&language=../../evil")
    fetched = await make_source(subtitle_languages=("all",)).fetch(request(url=url), folder)
    assert fetched.subtitles == ()
    assert names(folder) == ["media.mp4"]


async def test_missing_subtitles_do_not_cost_the_video(
    make_source: SourceMaker, server: ToyServer, folder: Path
) -> None:
    url = server.url("page/talk.mp4?subtitles=status/404/talk.vtt")
    fetched = await make_source().fetch(request(url=url), folder)
    assert (fetched.media, fetched.subtitles) == ("media.mp4", ())


async def test_a_part_is_continued_to_the_same_bytes(
    make_source: SourceMaker, server: ToyServer, site: Path, folder: Path
) -> None:
    content = (site / "talk.mp4").read_bytes()
    (folder / "media.mp4.part").write_bytes(content[:400_000])
    await make_source().fetch(request(url=server.url("talk.mp4")), folder)
    assert (folder / "media.mp4").read_bytes() == content
    assert server.seen[-1].range == "bytes=400000-"


async def test_a_connection_that_breaks_is_continued(
    make_source: SourceMaker, server: ToyServer, site: Path, folder: Path
) -> None:
    await make_source().fetch(request(url=server.url("cut/300000/talk.mp4?times=2")), folder)
    assert (folder / "media.mp4").read_bytes() == (site / "talk.mp4").read_bytes()
    ranges = [seen.range for seen in server.seen]
    assert ranges[:2] == [None, None]
    assert ranges[2] is not None


async def test_a_connection_that_always_breaks_leaves_a_part(
    make_source: SourceMaker, server: ToyServer, site: Path, folder: Path
) -> None:
    source = make_source()
    error = await failure(source, server.url("cut/90000/talk.mp4"), folder)
    assert isinstance(error, TransientError)
    assert error.reason == "cut_off"
    part = (folder / "media.mp4.part").read_bytes()
    assert 0 < len(part) < (site / "talk.mp4").stat().st_size
    await source.fetch(request(url=server.url("talk.mp4")), folder)
    assert (folder / "media.mp4").read_bytes() == (site / "talk.mp4").read_bytes()
    assert server.seen[-1].range == f"bytes={len(part)}-"


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("nothing.mp4", TerminalError, "not_found"),
        ("status/403/talk.mp4", TerminalError, "forbidden"),
        ("status/410/talk.mp4", TerminalError, "removed"),
        ("status/500/talk.mp4", TransientError, "http_500"),
        ("page/status/404/talk.mp4", TerminalError, "not_found"),
        ("page/talk.mp4?subtitles=status/503/talk.vtt", TransientError, "http_503"),
    ],
)
async def test_statuses(
    make_source: SourceMaker, server: ToyServer, folder: Path, path: str, kind: type[StageError], reason: str
) -> None:
    error = await failure(make_source(), server.url(path), folder)
    assert (type(error), error.reason) == (kind, reason)


async def test_too_many_requests_pause_the_host(make_source: SourceMaker, server: ToyServer, folder: Path) -> None:
    source, url = make_source(), server.url("status/429/talk.mp4?retry_after=1000")
    error = await failure(source, url, folder)
    assert isinstance(error, DeferError)
    assert (error.reason, error.after_s, error.scope) == ("rate_limited", 1000, "host")
    asked = len(server.seen)
    error = await failure(source, server.url("talk.mp4"), folder)
    assert error.reason == "host_paused"
    assert len(server.seen) == asked


@pytest.mark.slow
async def test_a_server_that_stalls(make_source: SourceMaker, server: ToyServer, folder: Path) -> None:
    error = await failure(make_source(), server.url("stall/1000/talk.mp4"), folder)
    assert isinstance(error, TransientError)
    assert error.reason == "timed_out"


@pytest.mark.parametrize("path", ["talk.mp4", "endless/talk.mp4"])
async def test_a_file_that_is_too_large(make_source: SourceMaker, server: ToyServer, folder: Path, path: str) -> None:
    error = await failure(make_source(max_size_bytes=500_000), server.url(path), folder)
    assert isinstance(error, TerminalError)
    assert error.reason == "too_large"


async def test_a_page_with_two_videos(make_source: SourceMaker, server: ToyServer, site: Path, folder: Path) -> None:
    video = '<video><source src="/talk.mp4?{}" type="video/mp4"></video>'
    (site / "two.html").write_text(f"<!doctype html><title>Two</title>{video.format(1)}{video.format(2)}")
    error = await failure(make_source(), server.url("two.html"), folder)
    assert (type(error), error.reason) == (TerminalError, "playlist")
    assert "2 videos" in str(error)


async def test_a_page_without_a_video(make_source: SourceMaker, server: ToyServer, site: Path, folder: Path) -> None:
    (site / "none.html").write_text("<!doctype html><title>None</title><p>Words.</p>")
    error = await failure(make_source(), server.url("none.html"), folder)
    assert (type(error), error.reason) == (TerminalError, "unsupported")


async def test_the_deadline_leaves_no_process(make_source: SourceMaker, server: ToyServer, folder: Path) -> None:
    error = await failure(make_source(timeout_s=3), server.url("stall/200000/talk.mp4"), folder)
    assert (type(error), error.reason) == (TransientError, "child_timeout")
    assert not download_children()


async def test_cancelling_leaves_no_process(make_source: SourceMaker, server: ToyServer, folder: Path) -> None:
    work = asyncio.create_task(make_source().fetch(request(url=server.url("stall/200000/talk.mp4")), folder))
    while not server.seen:  # noqa: ASYNC110 (another thread sees it)
        await asyncio.sleep(0.05)
    assert download_children()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not download_children()


async def test_names_that_look_like_options_are_names(
    make_source: SourceMaker, server: ToyServer, site: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    (site / "--exec=touch x.mp4").write_bytes((site / "talk.mp4").read_bytes())
    fetched = await make_source().fetch(request("-abc", url=server.url("--exec=touch%20x.mp4")), folder)
    assert names(folder) == [fetched.media] == ["media.mp4"]
    assert names(folder.parent) == ["download", "site"]


@pytest.mark.parametrize("video_id", ["--exec=touch x", "-abc", "", "dQw4w9WgXcQ&list=x", "dQw4w9WgXcQ\n"])
async def test_what_is_no_youtube_id(make_source: SourceMaker, folder: Path, video_id: str) -> None:
    with pytest.raises(TerminalError) as caught:
        await make_source().fetch(request(video_id, source="youtube", url="https://youtu.be/x"), folder)
    assert caught.value.reason == "not_found"


async def test_youtube_can_be_off(make_source: SourceMaker, folder: Path) -> None:
    with pytest.raises(TerminalError) as caught:
        await make_source(youtube=False).fetch(request("dQw4w9WgXcQ", source="youtube"), folder)
    assert caught.value.reason == "not_allowed"


async def test_setup_names_what_is_missing(make_source: SourceMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_source().setup()
    missing = make_source(cookies_file="/nowhere/cookies.txt")
    with pytest.raises(TerminalError, match=r"download\.cookies_file"):
        await missing.setup()
    monkeypatch.setattr(ytdlp, "javascript_runtime", lambda: None)
    with pytest.raises(TerminalError, match="pip install deno"):
        await make_source().setup()
    await make_source(youtube=False).setup()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TerminalError, match="apt-get install ffmpeg"):
        await make_source(youtube=False).setup()


def test_the_javascript_runtime_is_a_program() -> None:
    runtime = ytdlp.javascript_runtime()
    assert runtime is not None
    assert os.access(runtime, os.X_OK)


async def test_youtube_through_a_proxy_that_refuses(make_source: SourceMaker, server: ToyServer, folder: Path) -> None:
    """As far as YouTube can be tried on loopback: the extractor runs, and asks the proxy, and nobody else."""
    source = make_source(allow_private_networks=False, proxy=server.url(""))
    with pytest.raises(StageError) as caught:
        await source.fetch(request("-abcdefghij", source="youtube", url="https://evil.example/"), folder)
    assert isinstance(caught.value, TransientError), caught.value
    assert caught.value.reason == "proxy_failed"
    assert names(folder) == []
