"""Folders of models: what is missing or damaged is named, with the way to mend it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vta_stream.models import saved
from vta_stream.models.base import ModelLoader
from vta_stream.models.coca import CoCa
from vta_stream.ports import TerminalError
from vta_stream.settings.work import ModelSettings, ModelsSettings
from vta_stream.toyworld.training.sight.model import make_network, write_model

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CoCa with a tokenizer of its own."""
    folder = tmp_path_factory.mktemp("saved") / "sight"
    write_model(folder, make_network(0).state_dict())
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "elsewhere" / "sight"))


def refusal(folder: Path) -> str:
    with pytest.raises(TerminalError) as caught:
        CoCa(ModelSettings(name=str(folder)), ModelLoader(ModelsSettings(device="cpu"))).setup()
    assert caught.value.reason == "model_missing"
    return str(caught.value)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, "tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_breaks_off_is_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    text = refusal(folder)
    assert f"{folder / name} is damaged" in text
    assert "\n" not in text


def test_without_the_tokenizer_that_the_configuration_names(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert f"{folder} has no tokenizer.json" in refusal(folder)


def test_a_tokenizer_that_cannot_begin_a_caption_is_refused_at_the_start(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    assert "no start and end tokens" in refusal(folder)


def test_the_package_s_own_model_says_how_to_get_it_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / WEIGHTS).unlink()
    assert "Set models.captions.name" in refusal(folder), "a user's own folder"
    monkeypatch.setattr(saved, "_PACKAGE", folder.parent)
    assert "pip install --force-reinstall --no-deps vta-stream" in refusal(folder)
    (folder.parents[1] / ".git").mkdir()
    assert f"git -C {folder.parents[1]} checkout -- {folder}" in refusal(folder)


def test_another_tokenizer_is_another_model(folder: Path) -> None:
    loader = ModelLoader(ModelsSettings(device="cpu"))
    before = loader.load(ModelSettings(name=str(folder)), "a", "b").model_id
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids = tokenizer["model"]["vocab"]
    ids["red"], ids["blue"] = ids["blue"], ids["red"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    after = ModelLoader(ModelsSettings(device="cpu")).load(ModelSettings(name=str(folder)), "a", "b").model_id
    assert before.startswith("sight@")
    assert before != after


def test_whole_files_are_not_called_damaged(folder: Path) -> None:
    assert saved.damaged_file(folder) is None
