from __future__ import annotations

import json
from pathlib import Path

import pytest

from vta_stream.settings import Settings, SettingsError, load_settings

NO_ENVIRONMENT: dict[str, str] = {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.yaml", "segment:\n  max_clip_s: 12\n"),
        ("s.yml", "{segment: {max_clip_s: 12}}"),
        ("s.toml", "[segment]\nmax_clip_s = 12\n"),
        ("s.json", json.dumps({"segment": {"max_clip_s": 12}})),
    ],
)
def test_every_kind_of_file_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert load_settings(file, NO_ENVIRONMENT).segment.max_clip_s == 12


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("# nothing yet\n")
    assert load_settings(file, NO_ENVIRONMENT) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("segment: {max_clip_s: 12, min_clip_s: 3}")
    segment = load_settings(file, {"VTA_STREAM__SEGMENT__MAX_CLIP_S": "9", "OTHER": "x"}).segment
    assert (segment.min_clip_s, segment.max_clip_s) == (3, 9)


def test_a_typo_names_the_key_and_what_exists(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("segment: {max_clp_s: 12}")
    with pytest.raises(
        SettingsError, match=r"s\.yaml: unknown key segment\.max_clp_s; did you mean max_clip_s\?"
    ) as found:
        load_settings(file, NO_ENVIRONMENT)
    assert "min_clip_s" in str(found.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("s.ini", "", "unknown kind '.ini'"),
        ("s.yaml", "a: [", "is not valid"),
        ("s.yaml", "[1, 2]", "not a list"),
        ("s.json", "{", "is not valid"),
        ("s.yaml", "segment: {max_clip_s: many}", "segment.max_clip_s: .*'many'"),
        ("s.yaml", "segment: {max_clip_s: 1}", "min_clip_s has to be below max_clip_s"),
        ("s.yaml", "filters: 3", "filters"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_settings(file, NO_ENVIRONMENT)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "nothing.yaml", NO_ENVIRONMENT)


def test_changing_one_filter_keeps_the_others() -> None:
    filters = load_settings(None, {"VTA_STREAM__FILTERS__MOTION__MINIMUM": "5"}).filters
    assert filters["motion"] == {"minimum": 5}
    assert filters.keys() == Settings().filters.keys()


def test_null_switches_a_plugin_off() -> None:
    captioners = load_settings(None, {"VTA_STREAM__CAPTIONERS__COCA": "null"}).captioners
    assert captioners == {"transcript": {}}


def test_a_variable_that_digs_into_a_value_is_an_error() -> None:
    with pytest.raises(SettingsError, match="data_dir is a value"):
        load_settings(None, {"VTA_STREAM__DATA_DIR": "x", "VTA_STREAM__DATA_DIR__DEEPER": "y"})


def test_on_s3_a_commit_waits_longer_unless_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("store: {s3: {url: s3://a-bucket/set}, commit_records_max: 7}")
    store = load_settings(file, NO_ENVIRONMENT).store
    assert (store.commit_records_max, store.commit_wait_s) == (7, 60)
    store = load_settings(None, {"VTA_STREAM__STORE__S3__URL": "s3://a-bucket"}).store
    assert (store.commit_records_max, store.commit_wait_s) == (5000, 60)
    store = load_settings(file, {"VTA_STREAM__STORE__COMMIT_WAIT_S": "2"}).store
    assert store.commit_wait_s == 2
    assert Settings().store.commit_wait_s == 1


@pytest.mark.parametrize("url", ["https://host/bucket", "s3://Bucket", "s3://a-bucket/../x", "s3://key:secret@b/x"])
def test_what_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"store\.s3\.url"):
        load_settings(None, {"VTA_STREAM__STORE__S3__URL": url})


def test_keys_are_no_settings(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("store: {s3: {secret_access_key: hidden}}")
    with pytest.raises(SettingsError, match=r"unknown key store\.s3\.secret_access_key") as found:
        load_settings(file, NO_ENVIRONMENT)
    assert "hidden" not in str(found.value)
