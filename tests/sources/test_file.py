"""Files under allowed folders, and nothing else."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from tests.builders import request
from tests.sources.conftest import names
from vta_stream.domain.video import Fetched, Subtitle
from vta_stream.ports import TerminalError, TransientError
from vta_stream.settings.work import DownloadSettings
from vta_stream.sources import file as file_source
from vta_stream.sources.file import FileSource


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "videos"
    root.mkdir()
    (root / "talk.mp4").write_bytes(b"media " * 1000)
    return root


async def fetch(root: Path, folder: Path, url: str, **changes: object) -> Fetched:
    source = FileSource(DownloadSettings.model_validate({"file_roots": (root,), **changes}))
    await source.setup()
    return await source.fetch(request(url=url, source="file"), folder)


async def refused(root: Path, folder: Path, url: str, **changes: object) -> str:
    with pytest.raises(TerminalError) as caught:
        await fetch(root, folder, url, **changes)
    assert names(folder) == []
    return caught.value.reason


async def test_a_file(root: Path, folder: Path) -> None:
    fetched = await fetch(root, folder, (root / "talk.mp4").as_uri())
    assert fetched == Fetched("media.mp4", (), {"title": "talk"})
    assert (folder / "media.mp4").read_bytes() == (root / "talk.mp4").read_bytes()
    assert names(folder) == ["media.mp4"]


@pytest.mark.parametrize("name", ["ein ü?#%20[x] *.MP4", "--exec=touch x", "talk.mp4;rm -rf", ".hidden"])
async def test_odd_names(root: Path, folder: Path, name: str) -> None:
    (root / name).write_bytes(b"odd")
    (root / f"{Path(name).stem}.en.vtt").write_text("WEBVTT")
    fetched = await fetch(root, folder, (root / name).as_uri())
    assert (folder / fetched.media).read_bytes() == b"odd"
    assert fetched.media in ("media", "media.mp4")
    assert [subtitle.path for subtitle in fetched.subtitles] == ["media.en.vtt"]


async def test_subtitles_beside_it(root: Path, folder: Path) -> None:
    for name in ("talk.srt", "talk.de.vtt", "talk.en-orig.json3", "talk.en.auto.vtt", "talk.txt", "talker.en.vtt"):
        (root / name).write_text(name)
    fetched = await fetch(root, folder, (root / "talk.mp4").as_uri())
    assert set(fetched.subtitles) == {
        Subtitle(None, "manual", "srt", path="media.srt"),
        Subtitle("de", "manual", "vtt", path="media.de.vtt"),
        Subtitle("en-orig", "automatic", "json3", path="media.en-orig.json3"),
        Subtitle("en", "automatic", "vtt", path="media.en.auto.vtt"),
    }
    assert (folder / "media.en-orig.json3").read_text() == "talk.en-orig.json3"


async def test_outside_the_roots(root: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (root / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "videos2").mkdir()
    (tmp_path / "videos2/talk.mp4").write_bytes(b"x")
    for path in (
        "secret.mp4",
        "videos/../secret.mp4",
        "videos/%2e%2e/secret.mp4",
        "videos/link.mp4",
        "videos2/talk.mp4",
    ):
        assert await refused(root, folder, f"file://{tmp_path}/{path}") == "not_allowed", path
    # Whether something is there is not told either.
    assert await refused(root, folder, f"file://{tmp_path}/nothing.mp4") == "not_allowed"


async def test_subtitles_that_lead_outside(root: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "talk.en.vtt").symlink_to(tmp_path / "secret")
    with pytest.raises(TerminalError) as caught:
        await fetch(root, folder, (root / "talk.mp4").as_uri())
    assert caught.value.reason == "not_allowed"
    assert not (folder / "media.en.vtt").exists()


async def test_a_link_within_the_roots_is_followed(root: Path, folder: Path) -> None:
    (root / "link.mov").symlink_to(root / "talk.mp4")
    assert (await fetch(root, folder, (root / "link.mov").as_uri())).media == "media.mp4"


async def test_what_is_no_regular_file(root: Path, folder: Path) -> None:
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe.mp4")
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    (root / "empty.mp4").touch()
    assert await refused(root, folder, (root / "folder").as_uri()) == "is_folder"
    assert await refused(root, folder, (root / "pipe.mp4").as_uri()) == "not_a_file"
    assert await refused(root, folder, f"file://{root}/loop.mp4") == "not_found"
    assert await refused(root, folder, (root / "nothing.mp4").as_uri()) == "not_found"
    assert await refused(root, folder, (root / "talk.mp4/x").as_uri()) == "not_found"
    assert await refused(root, folder, (root / ("x" * 300)).as_uri()) == "not_found"
    assert await refused(root, folder, (root / "empty.mp4").as_uri()) == "empty_file"


@pytest.mark.parametrize(
    "url", ["file://host/etc/passwd", "file:relative.mp4", "http://x/a.mp4", "/a.mp4", "file:///a%00b"]
)
async def test_what_is_no_file_address(root: Path, folder: Path, url: str) -> None:
    assert await refused(root, folder, url) == "invalid_url"


async def test_limits_and_roots(root: Path, folder: Path) -> None:
    url = (root / "talk.mp4").as_uri()
    assert await refused(root, folder, url, max_size_bytes=5999) == "too_large"
    assert await refused(root, folder, url, file_roots=()) == "not_allowed"
    assert await refused(root, folder, url, file_roots=(root / "nothing",)) == "no_file_root"


async def test_an_earlier_attempt_is_replaced(root: Path, folder: Path) -> None:
    for name in ("media.mp4", "media.mp4.part"):
        (folder / name).write_bytes(b"half")
    await fetch(root, folder, (root / "talk.mp4").as_uri())
    assert (folder / "media.mp4").read_bytes() == (root / "talk.mp4").read_bytes()
    assert names(folder) == ["media.mp4"]


async def test_it_is_copied_where_nothing_can_be_shared(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_file_system(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", other_file_system)
    monkeypatch.setattr(file_source, "_FICLONE", 0)
    await fetch(root, folder, (root / "talk.mp4").as_uri())
    assert (folder / "media.mp4").read_bytes() == (root / "talk.mp4").read_bytes()
    assert (folder / "media.mp4").stat().st_ino != (root / "talk.mp4").stat().st_ino


async def test_a_full_disk(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(file_source, "_share", full)
    with pytest.raises(TransientError, match="No space left") as caught:
        await fetch(root, folder, (root / "talk.mp4").as_uri())
    assert caught.value.reason == "disk_full"
    assert names(folder) == []


async def test_cancelling_stops_the_copy(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (root / "large.mp4").open("wb") as large:
        large.truncate(64 * 1024**2)
    monkeypatch.setattr(file_source, "_share", lambda *_: False)
    monkeypatch.setattr(file_source, "_CHUNK_BYTES", 1)
    source = FileSource(DownloadSettings(file_roots=(root,)))
    work = asyncio.create_task(source.fetch(request(url=(root / "large.mp4").as_uri(), source="file"), folder))
    while not names(folder):  # noqa: ASYNC110 (another thread makes it)
        await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert names(folder) == []
