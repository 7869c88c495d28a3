"""Weights that are missing or damaged: one error that says which, what for, and what to do."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import open_clip
import pytest
import torch

from vta_stream.models.base import LOCAL, ModelLoader, resolve
from vta_stream.models.image_text import OpenClip
from vta_stream.ports import TerminalError
from vta_stream.settings.work import ModelSettings, ModelsSettings

WEIGHTS = "open_clip_model.safetensors"


def refuse(settings: ModelSettings, loader: ModelLoader | None = None) -> str:
    with pytest.raises(TerminalError) as caught:
        OpenClip(settings, loader or ModelLoader(ModelsSettings(device="cpu"))).setup()
    assert caught.value.reason == "model_missing"
    text = str(caught.value)
    assert settings.name in text
    assert "models.image_text" in text
    assert "scores how text and picture match" in text
    assert "models.image_text.name" in text, "the remedy"
    return text


@pytest.fixture
def copy(tiny_clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_clip, tmp_path / "copy"))


def test_no_such_folder(tmp_path: Path) -> None:
    assert f"no folder {tmp_path}/none" in refuse(ModelSettings(name=f"{tmp_path}/none"))


def test_a_folder_without_weights_is_no_model_with_random_ones(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    assert "has no weights" in refuse(ModelSettings(name=str(copy)))


def test_a_folder_without_configuration(copy: Path) -> None:
    (copy / "open_clip_config.json").unlink()
    assert "has no open_clip_config.json" in refuse(ModelSettings(name=str(copy)))


@pytest.mark.parametrize("size", [0, 1000])
def test_truncated_weights(copy: Path, size: int) -> None:
    with (copy / WEIGHTS).open("r+b") as file:
        file.truncate(size)
    refuse(ModelSettings(name=str(copy)))


def test_weights_of_another_architecture(copy: Path) -> None:
    config = copy / "open_clip_config.json"
    config.write_text(config.read_text().replace('"width": 32', '"width": 64'))
    refuse(ModelSettings(name=str(copy)))


def test_pickled_code_in_weights_is_not_run(copy: Path, tmp_path: Path) -> None:
    (copy / WEIGHTS).unlink()
    marker = tmp_path / "was-run"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (open, (str(marker), "w"))

    torch.save({"state_dict": Payload()}, copy / "open_clip_pytorch_model.bin", pickle_module=pickle)
    refuse(ModelSettings(name=str(copy)))
    assert not marker.exists()


def test_an_architecture_without_weights_is_refused() -> None:
    assert "set `pretrained`" in refuse(ModelSettings(name="ViT-B-32"))


def test_unknown_architecture_and_unknown_tag() -> None:
    assert "no architecture ViT-B-99" in refuse(ModelSettings(name="ViT-B-99"))
    assert "laion2b_s34b_b79k" in refuse(ModelSettings(name="ViT-B-32", pretrained="laion2b")), "says what there is"


@pytest.mark.parametrize(
    ("model", "repository"),
    [
        (ModelsSettings().image_text, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        (ModelsSettings().captions, "laion/mscoco_finetuned_CoCa-ViT-B-32-laion2B-s13B-b90k"),
        (ModelSettings(name="hf-hub:vta/none", revision="ab" * 20), "vta/none"),
    ],
)
def test_a_hub_out_of_reach_is_no_traceback(
    model: ModelSettings, repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    text = refuse(model, ModelLoader(ModelsSettings(device="cpu", cache_dir=tmp_path)))
    assert "Let this machine reach the Hugging Face hub once" in text
    assert f"hf download {repository} --revision {model.revision} --local-dir FOLDER" in text
    assert "\n" not in text


def test_the_default_models_exist_by_name_in_open_clip() -> None:
    for model in (ModelsSettings().image_text, ModelsSettings().captions):
        tag = open_clip.get_pretrained_cfg(model.name, model.pretrained)
        assert tag["hf_hub"], "a hub repository, whose revision can be pinned"
        assert len(model.revision or "") == 40


def test_weights_by_file_for_a_known_architecture(tmp_path: Path) -> None:
    weights = tmp_path / "mine.pt"
    torch.save({}, weights)
    assert "ViT-B-32" in refuse(ModelSettings(name="ViT-B-32", pretrained=str(weights)))


def test_loaded_once_for_the_same_weights(tiny_clip: Path) -> None:
    loader = ModelLoader(ModelsSettings(device="cpu"))
    one = loader.load(ModelSettings(name=str(tiny_clip)), "a", "b")
    assert loader.load(ModelSettings(name=f"{LOCAL}{tiny_clip}"), "c", "d") is one


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("ViT-B-32", "ViT-B-32"),
        ("hf-hub:a/b", "hf-hub:a/b"),
        ("local-dir:x", "local-dir:x"),
        ("/models/x", "local-dir:/models/x"),
        ("./x", "local-dir:x"),
        ("~/x", f"local-dir:{Path.home()}/x"),
    ],
)
def test_folders_are_recognised(name: str, resolved: str) -> None:
    assert resolve(name) == resolved
