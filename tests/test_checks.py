"""What doctor looks at: each check in its good and its bad ways."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.stores.lakes import dataset
from vta_stream.checks import (
    Finding,
    check_broker,
    check_catalog,
    check_disk,
    check_programs,
    check_speech_model,
    check_torch_models,
    run_checks,
)
from vta_stream.settings import Settings
from vta_stream.settings.work import ModelsSettings
from vta_stream.stores.catalog import Catalog, connect


def _settings(folder: Path, **sections: Any) -> Settings:
    return Settings.model_validate({"data_dir": folder, **sections})


def _one(findings: Any) -> Finding:
    (finding,) = findings
    assert isinstance(finding, Finding)
    assert (finding.remedy is None) == (finding.state == "good"), "what is not well has a remedy, and only that"
    return finding


def _hub_file(cache: Path, repository: str, name: str, revision: str | None = None) -> None:
    """A file in the hub's cache, as huggingface_hub lays it out: fetched by its commit, there is no `refs/main`."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / (revision or "ab" * 20)
    snapshot.mkdir(parents=True)
    if revision is None:
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(snapshot.name)
    (snapshot / name).write_bytes(b"weights")


def test_each_broker_is_tried(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = _settings(tmp_path, kafka={"bootstrap_servers": f"127.0.0.1:{port}, 127.0.0.1:1, nonsense"})
        there, closed, nonsense = check_broker(settings)
    assert (there.state, closed.state, nonsense.state) == ("good", "broken", "broken")
    assert "127.0.0.1:1 cannot be reached" in closed.message
    assert "make kafka" in str(closed.remedy)


def test_without_a_broker_the_embedded_one_will_do(tmp_path: Path) -> None:
    finding = _one(check_broker(_settings(tmp_path)))
    assert finding.state == "good"
    assert "embedded" in finding.message


def test_programs_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ffmpeg", "deno"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [finding.state for finding in check_programs(_settings(tmp_path))] == ["good", "good"]
    (tmp_path / "ffmpeg").unlink()
    finding = next(iter(check_programs(_settings(tmp_path))))
    assert (finding.subject, finding.state, finding.remedy) == ("ffmpeg", "broken", "apt-get install ffmpeg")


def test_no_speech_model_is_a_choice(tmp_path: Path) -> None:
    finding = _one(check_speech_model(_settings(tmp_path, transcribe={"model": ""})))
    assert (finding.state, finding.message) == ("good", "not used: subtitles only")


def test_a_speech_models_folder(tmp_path: Path) -> None:
    settings = _settings(tmp_path, transcribe={"model": str(tmp_path)})
    (tmp_path / "config.json").touch()
    finding = _one(check_speech_model(settings))
    assert finding.state == "broken"
    assert "lacks model.bin, tokenizer.json" in finding.message
    for name in ("model.bin", "tokenizer.json"):
        (tmp_path / name).touch()
    assert _one(check_speech_model(settings)).state == "good"


def test_a_speech_model_of_the_hub(tmp_path: Path) -> None:
    settings = _settings(tmp_path, transcribe={"model": "someone/whisper"}, models={"cache_dir": tmp_path / "hub"})
    finding = _one(check_speech_model(settings))
    assert finding.state == "warning"
    assert finding.remedy == "hf download someone/whisper  # or set transcribe.model to a folder"
    _hub_file(tmp_path / "hub", "someone/whisper", "model.bin")
    assert _one(check_speech_model(settings)).state == "good"


@pytest.mark.parametrize("name", ["largest", "/no/such/folder", "~/none", "a/b/c", "./none"])
def test_a_model_that_is_nowhere(tmp_path: Path, name: str) -> None:
    models = {"image_text": {"name": name}, "captions": {"name": f"hf-hub:{name}"}}
    settings = _settings(tmp_path, transcribe={"model": name}, models=models)
    found = [_one(check_speech_model(settings)), *check_torch_models(settings)]
    assert name in found[0].message
    remedies = [finding.remedy for finding in found]
    assert remedies[:2] == ["mend transcribe.model", "mend models.image_text.name"]
    assert remedies[2] == "mend models.captions.name" or name == "largest", "the hub has names without an owner"


def test_open_clip_folders(tmp_path: Path) -> None:
    good, lacking = tmp_path / "good", tmp_path / "lacking"
    for folder in (good, lacking):
        folder.mkdir()
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        (good / name).write_text("{}")
    models = {"image_text": {"name": f"local-dir:{good}"}, "captions": {"name": str(lacking)}}
    image_text, captions = check_torch_models(_settings(tmp_path, models=models))
    assert (image_text.state, captions.state) == ("good", "broken")
    assert captions.message == f"{lacking} has no open_clip_config.json"


def test_open_clip_models_of_the_hub(tmp_path: Path) -> None:
    """By open_clip's name, and by the repository's; found at the commit that is wanted, and at no other."""
    at = ModelsSettings().image_text.revision
    image_text = {"name": "ViT-B-32", "pretrained": "laion2b_s34b_b79k", "revision": at}
    models = {"cache_dir": tmp_path, "image_text": image_text, "captions": {"name": "hf-hub:someone/coca"}}
    settings = _settings(tmp_path, models=models)
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    by_name, by_repository = check_torch_models(settings)
    assert by_name.remedy == f"hf download {repository} --revision {at}  # or set models.image_text.name to a folder"
    assert by_repository.remedy == "hf download someone/coca  # or set models.captions.name to a folder"
    _hub_file(tmp_path, repository, "open_clip_model.safetensors", at)
    _hub_file(tmp_path, "someone/coca", "open_clip_pytorch_model.bin")
    assert [finding.state for finding in check_torch_models(settings)] == ["good", "good"]
    newer = {**models, "image_text": {**image_text, "revision": "cd" * 20}}
    assert next(iter(check_torch_models(_settings(tmp_path, models=newer)))).state == "warning"


def test_open_clip_weights_that_are_a_file_or_nowhere(tmp_path: Path) -> None:
    weights = tmp_path / "mine.pt"
    weights.touch()
    models = {"image_text": {"name": "ViT-B-32", "pretrained": str(weights)}, "captions": {"name": "ViT-B-33"}}
    by_file, unknown = check_torch_models(_settings(tmp_path, models=models))
    assert (by_file.state, unknown.state) == ("good", "broken")
    assert unknown.remedy == "mend models.captions.name"


def test_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    assert _one(check_disk(_settings(folder, media_store={"min_free_bytes": 0}))).state == "good"
    full = _one(check_disk(_settings(folder, media_store={"min_free_bytes": 10**18})))
    assert full.state == "broken"
    assert f"under {tmp_path}: downloads pause" in full.message


def test_the_catalog(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    assert "none yet" in _one(check_catalog(settings)).message
    lake = dataset(tmp_path)
    lake.open()
    lake.close()
    assert "0 videos" in _one(check_catalog(settings)).message
    with connect(Catalog(settings.dataset_dir, settings.store.catalog), read_only=False) as connection:
        connection.execute("UPDATE dataset_version SET schema_version = 99")
    finding = _one(check_catalog(settings))
    assert finding.state == "broken"
    assert "version 99" in finding.message


def test_a_catalog_that_is_none(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    settings.dataset_dir.mkdir()
    assert _one(check_catalog(settings)).state == "broken", "the folder is there and the catalog is gone"
    with sqlite3.connect(settings.dataset_dir / "catalog.sqlite") as foreign:
        foreign.execute("CREATE TABLE notes (text)")
    foreign.close()
    assert _one(check_catalog(settings)).state == "broken"


def test_all_in_the_order_of_the_pipeline(tmp_path: Path) -> None:
    settings = _settings(tmp_path, transcribe={"model": ""}, models={"cache_dir": tmp_path})
    subjects = [finding.subject.partition(" ")[0] for finding in run_checks(settings)]
    assert subjects == ["broker", "ffmpeg", "JavaScript", "model", "model", "model", "disk", "catalog"]
