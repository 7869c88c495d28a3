"""The daemon without any broker: submitted IDs become a dataset, through Ctrl-C and through kill -9."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.daemon import ENDED, Daemon, running, vta_stream, write_settings
from tests.end_to_end.drawn_videos import ToyVideo, make_videos
from vta_stream.domain.ids import video_id_of_url

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def _toys(folder: Path, count: int) -> tuple[ToyVideo, ...]:
    return make_videos(folder / "videos", count, seed=1, scenes_per_video=2)


def _settings(folder: Path, models: Path) -> Path:
    return write_settings(
        folder,
        models,
        download={"file_roots": [folder / "videos"]},
        store={"shard_samples_max": 2},
        filters={"clip_match": None, "caption_match": None},
    )


def _ids(videos: tuple[ToyVideo, ...]) -> set[str]:
    return {video_id_of_url(video.path.as_uri()) for video in videos}


def _submit(settings_file: Path, *what: str) -> int:
    done = vta_stream(settings_file, "submit", "--json", *what)
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["published"])


def _assert_whole(daemon: Daemon, videos: tuple[ToyVideo, ...]) -> None:
    """Every video once, every clip once, in the tables and in the shards."""
    ended = daemon.rows(ENDED)
    assert sorted(video_id for video_id, _ in ended) == sorted(_ids(videos))
    assert {status for _, status in ended} == {"done"}
    ((promised,),) = daemon.rows("SELECT sum(clip_count) FROM videos")
    ((clips, different, accepted),) = daemon.rows(
        "SELECT count(*), count(DISTINCT clip_id), count(*) FILTER (accepted) FROM clips"
    )
    assert clips == different == promised > 0
    keys = daemon.rows("SELECT clip_id FROM samples WHERE layout = 'video-text'")
    assert len(keys) == len(set(keys)) == accepted > 0
    assert sorted(_keys_on_disk(daemon)) == sorted(key for (key,) in keys)


def _keys_on_disk(daemon: Daemon) -> list[str]:
    """Of every mp4 in the shards, sealed and open; an open one may hold more than was committed."""
    found = []
    for path, size, state in daemon.rows(
        "SELECT shard_path, data_bytes, state FROM shards WHERE layout = 'video-text'"
    ):
        file = daemon.settings.dataset_dir / (path if state == "sealed" else f"{path}.part")
        with tarfile.open(file) as archive:
            members = [member for member in archive if member.offset < size]
        found += [member.name.removesuffix(".mp4") for member in members if member.name.endswith(".mp4")]
    return found


def test_submitted_before_and_while_it_runs_and_ended_by_ctrl_c(tiny_models: Path, tmp_path: Path) -> None:
    videos = _toys(tmp_path, 3)
    settings_file = _settings(tmp_path, tiny_models)
    assert _submit(settings_file, str(videos[0].path)) == 1
    with running(settings_file) as daemon:
        assert _submit(settings_file, str(tmp_path / "videos")) == len(videos), "the first one again: harmless"
        daemon.until_ended(len(videos))
        status = vta_stream(settings_file, "status", "--json")
        assert json.loads(status.stdout)["funnel"]["videos done"] == len(videos)
        assert daemon.interrupt() == 0
    _assert_whole(daemon, videos)
    assert not list(daemon.settings.state_dir.glob("worker-*.json")), "nothing claims to be alive"
    assert "Traceback" not in daemon.told()
    assert "stopping" in daemon.told().splitlines()[-1], "and that is its last word: no library adds its own"


def test_ctrl_c_in_the_middle_of_work_ends_it_too_and_loses_nothing(tiny_models: Path, tmp_path: Path) -> None:
    videos = _toys(tmp_path, 6)
    settings_file = _settings(tmp_path, tiny_models)
    _submit(settings_file, str(tmp_path / "videos"))
    with running(settings_file) as daemon:
        daemon.until("there is a clip", lambda: daemon.rows("FROM clips LIMIT 1"))
        assert daemon.interrupt() == 0
    with running(settings_file) as daemon:
        daemon.until_ended(len(videos))
        assert daemon.interrupt() == 0
    _assert_whole(daemon, videos)


def test_after_kill_9_all_ids_end_and_none_twice(tiny_models: Path, tmp_path: Path) -> None:
    videos = _toys(tmp_path, 10)
    settings_file = _settings(tmp_path, tiny_models)
    _submit(settings_file, str(tmp_path / "videos"))
    with running(settings_file) as daemon:
        daemon.until("a video has ended", lambda: daemon.rows(ENDED))
        daemon.kill()
    assert len(daemon.rows(ENDED)) < len(videos), "else there is nothing to lose; give it more videos"
    with running(settings_file) as daemon:
        daemon.until_ended(len(videos))
        assert daemon.interrupt() == 0
    _assert_whole(daemon, videos)


def test_a_second_one_on_the_same_folder_is_told_of_the_first(tmp_path: Path) -> None:
    settings_file = write_settings(tmp_path, None)
    with running(settings_file, "--agents", "download") as daemon:
        second = Daemon(settings_file, "--agents", "download")
        assert second.wait() == 1
        assert f"process {daemon.process.pid}" in second.told()
        assert "another worker has an embedded broker" in second.told()
        assert daemon.interrupt() == 0
