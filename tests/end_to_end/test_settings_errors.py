"""What stops the start: each says what is wrong and what to do, and ends with 1."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.daemon import Daemon, running, vta_stream, write_settings
from vta_stream.settings import load_settings
from vta_stream.stores.catalog import Catalog
from vta_stream.stores.lake import Lake
from vta_stream.stores.schema import SCHEMA_VERSION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _told(settings_file: Path, *arguments: str) -> str:
    """What a start says that has to fail."""
    done = vta_stream(settings_file, "run", *arguments)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("typo", "said"),
    [
        ({"segment": {"max_clips_s": 12}}, ["segment.max_clips_s", "did you mean max_clip", "min_clip_s"]),
        ({"dowload": {"youtube": False}}, ["unknown key dowload", "did you mean download"]),
        ({"filters": {"motoin": {"minimum": 2}}}, ["motoin", "motion", "sharpness"]),
        ({"filters": {"motion": {"minumum": 2}}}, ["minumum", "minimum"]),
        ({"segment": {"min_clip_s": "long"}}, ["segment.min_clip_s", "'long'"]),
    ],
    ids=["key", "group", "filter", "limit", "value"],
)
def test_a_typo_stops_the_start_naming_it_and_what_exists(
    tmp_path: Path, typo: dict[str, dict[str, object]], said: list[str]
) -> None:
    told = _told(write_settings(tmp_path, None, **typo))
    for words in said:
        assert words in told, told
    assert "settings.yaml" in told or "filter" in told
    assert not (tmp_path / "data" / "dataset").exists(), "nothing was begun"


def test_missing_models_are_all_named_with_purpose_and_remedy(tmp_path: Path) -> None:
    """One start tells of all of them, so that nobody has to start three times."""
    told = _told(write_settings(tmp_path, tmp_path / "nowhere"))
    for stage in ("transcribe", "score", "caption", "embed"):
        assert f"{stage} cannot start" in told, told
    for name, setting in (
        ("whisper", "transcribe.model"),
        ("clip", "models.image_text"),
        ("coca", "models.captions"),
    ):
        line = next(line for line in told.splitlines() if str(tmp_path / "nowhere" / name) in line)
        assert setting in line, line


def test_a_model_folder_of_another_kind_is_no_model(tiny_models: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "models"
    wrong.mkdir()
    shutil.copytree(tiny_models / "clip", wrong / "whisper")
    told = _told(write_settings(tmp_path, wrong), "--agents", "transcribe")
    assert "transcribe cannot start" in told
    assert str(wrong / "whisper") in told


def _make_dataset(settings_file: Path, version: int) -> Path:
    """A dataset as a start makes it, of another version."""
    with running(settings_file, "--agents", "store") as daemon:
        assert daemon.interrupt() == 0
    settings = load_settings(settings_file, {})
    lake = Lake(Catalog(settings.dataset_dir, settings.store.catalog))
    lake.execute(f"UPDATE dataset_version SET schema_version = {version}, created_by = '9.9'")
    lake.close()
    return settings.dataset_dir


def test_an_output_folder_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    settings_file = write_settings(tmp_path, None)
    dataset_dir = _make_dataset(settings_file, SCHEMA_VERSION + 6)
    told = _told(settings_file, "--agents", "store")
    assert f"store cannot start: {dataset_dir} is a dataset of version {SCHEMA_VERSION + 6}" in told
    assert "made by vta-stream 9.9" in told
    assert "set data_dir to a new folder" in told
    asked = vta_stream(settings_file, "query", "SELECT 1")
    assert asked.returncode == 1
    assert f"version {SCHEMA_VERSION + 6}" in asked.stderr


def test_a_second_daemon_on_the_same_dataset_is_refused(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    settings_file = write_settings(tmp_path, None, kafka={"bootstrap_servers": kafka, "topic_prefix": topic_prefix})
    with running(settings_file, "--agents", "store") as first:
        told = _told(settings_file, "--agents", "store")
        assert f"is being written by process {first.process.pid}" in told
        assert "leave `store` out of this one's --agents" in told
        assert first.interrupt() == 0


def test_two_with_one_name_on_one_data_folder(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    settings_file = write_settings(
        tmp_path, None, kafka={"bootstrap_servers": kafka, "topic_prefix": topic_prefix}, worker={"name": "w1"}
    )
    with running(settings_file, "--agents", "download") as first:
        told = _told(settings_file, "--agents", "download")
        assert f"another live process is the worker 'w1' (process {first.process.pid})" in told
        assert "worker.name" in told
        assert first.interrupt() == 0


def test_two_with_one_name_on_two_machines(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Two data folders know nothing of each other; the broker does. The one that was first lives on."""
    shared = {"bootstrap_servers": kafka, "topic_prefix": topic_prefix, "session_timeout_s": 6}
    here, there = (
        write_settings(tmp_path / name, None, kafka=shared, worker={"name": "w1"}) for name in ("here", "there")
    )
    with running(here, "--agents", "download") as first:
        second = Daemon(there, "--agents", "download")
        assert second.wait(limit_s=240) == 1
        assert "another live worker is called 'w1'" in second.told()
        assert "another worker.name" in second.told()
        assert first.interrupt() == 0
