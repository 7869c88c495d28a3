from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from vta_stream import metrics
from vta_stream.ports import TransientError
from vta_stream.settings.work import MediaStoreSettings
from vta_stream.stores.media_store import LocalMediaStore


def store(tmp_path: Path, **changes: object) -> LocalMediaStore:
    return LocalMediaStore(
        tmp_path / "media", MediaStoreSettings.model_validate({"min_free_bytes": 0, "limit_bytes": 1000, **changes})
    )


def put(media: LocalMediaStore, video_id: str, size_bytes: int, key: str = "0") -> str:
    folder = media.artifact(video_id, "download", key)
    (folder.begin() / "video.mp4").write_bytes(b"x" * size_bytes)
    folder.commit()
    return f"{folder.relative}/video.mp4"


def test_an_artifact_appears_whole_and_keeps_an_interrupted_attempt(tmp_path: Path) -> None:
    media = store(tmp_path)
    folder = media.artifact("-dash-first", "segment", "k1")
    (folder.begin() / "half.mp4").write_bytes(b"half")
    assert not folder.exists()
    assert not media.path(folder.relative).exists()

    again = store(tmp_path).artifact("-dash-first", "segment", "k1")
    assert (again.begin() / "half.mp4").read_bytes() == b"half"
    again.commit()

    assert folder.exists()
    assert media.path("-dash-first/segment-k1/half.mp4").read_bytes() == b"half"
    assert media.describe("-dash-first/segment-k1/half.mp4").sha256 == hashlib.sha256(b"half").hexdigest()


def test_a_second_commit_keeps_the_first_artifact(tmp_path: Path) -> None:
    media = store(tmp_path)
    path = put(media, "vid", 10)
    folder = media.artifact("vid", "download", "0")
    (folder.begin() / "video.mp4").write_bytes(b"other")
    folder.commit()
    assert media.describe(path).size_bytes == 10
    assert [entry.name for entry in media.path("vid").iterdir()] == ["download-0"]
    assert media.used_bytes() == 10


@pytest.mark.parametrize("bad", ["../x", "a/../../x", "/etc/passwd", "", ".", "a\0b"])
def test_a_path_out_of_the_store_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ValueError, match="media store"):
        store(tmp_path).path(bad)


def test_a_link_is_refused(tmp_path: Path) -> None:
    media = store(tmp_path)
    (tmp_path / "media/vid").mkdir(parents=True)
    (tmp_path / "media/vid/out").symlink_to("/etc")
    with pytest.raises(ValueError, match="link"):
        media.path("vid/out/passwd")


@pytest.mark.parametrize(("video_id", "stage", "key"), [("a/b", "s", "k"), ("v", "..", "k"), ("v", "s", "k/l")])
def test_odd_names_are_refused(tmp_path: Path, video_id: str, stage: str, key: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        store(tmp_path).artifact(video_id, stage, key)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="not in the media store") as caught:
        store(tmp_path).describe("vid/download-0/video.mp4")
    assert caught.value.reason == "media_gone"


def test_bytes_are_counted_kept_and_counted_anew_at_the_start(tmp_path: Path) -> None:
    media = store(tmp_path)
    put(media, "one", 100)
    put(media, "two", 30)
    (media.artifact("two", "segment", "0").begin() / "part").write_bytes(b"y" * 7)
    assert media.used_bytes() == 130
    assert store(tmp_path).used_bytes() == 130
    assert metrics.MEDIA_STORE_BYTES._value.get() == 130  # type: ignore[attr-defined]

    assert media.remove_video("two") == 37
    assert media.remove_video("two") == 0
    assert media.used_bytes() == 100
    assert set(media.videos()) == {"one"}


def test_the_last_change_of_a_video(tmp_path: Path) -> None:
    media = store(tmp_path)
    put(media, "vid", 1)
    for path in (tmp_path / "media/vid").rglob("*"):
        os.utime(path, (1000, 1000))
    os.utime(tmp_path / "media/vid", (1000, 1000))
    os.utime(tmp_path / "media/vid/download-0/video.mp4", (2000, 2000))
    assert media.changed_at_s("vid") == 2000
    assert media.changed_at_s("none") == 0.0


async def test_full_means_wait_until_well_below_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vta_stream.stores.media_store._LOOK_AGAIN_S", 0.01)
    media = store(tmp_path, limit_bytes=1000, resume_share=0.5)
    await media.wait_for_room()
    for video_id in ("one", "two", "three"):
        put(media, video_id, 400)
    waiting = asyncio.create_task(media.wait_for_room())
    while not media._paused:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    media.remove_video("one")  # 800: below the limit, above the mark to resume
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert metrics.MEDIA_STORE_PAUSED._value.get() == 1  # type: ignore[attr-defined]
    # Another process frees the rest: this one has to find out by itself.
    store(tmp_path).remove_video("two")
    await waiting
    assert metrics.MEDIA_STORE_PAUSED._value.get() == 0  # type: ignore[attr-defined]


async def test_a_full_disk_means_wait(tmp_path: Path) -> None:
    media = store(tmp_path, min_free_bytes=1 << 60)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(media.wait_for_room(), 0.2)
