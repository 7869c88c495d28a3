"""What every captioner holds to, whoever wrote it: one file in `captioners/` is enough to be tested here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.builders import clip
from tests.scorers.inputs import Given, frames
from vta_stream.models.base import ModelLoader
from vta_stream.models.coca import CoCa
from vta_stream.models.image_text import OpenClip
from vta_stream.models.shared import SharedModels
from vta_stream.plugins import load_captioners, plugin_names
from vta_stream.ports import Captioner
from vta_stream.settings.work import ModelSettings, ModelsSettings


@pytest.fixture(scope="module")
def models(tiny_coca: Path) -> SharedModels:
    loader, settings = ModelLoader(ModelsSettings(device="cpu", threads=1)), ModelSettings(name=str(tiny_coca))
    return SharedModels(lambda: OpenClip(settings, loader), lambda: CoCa(settings, loader))


@pytest.mark.parametrize("name", plugin_names("captioners"))
class TestEveryCaptioner:
    @pytest.fixture
    def captioner(self, name: str, models: SharedModels) -> Captioner:
        loaded = load_captioners({name: {}})[name]
        loaded.setup(models)
        return loaded

    def test_is_a_frozen_dataclass_with_a_docstring(self, captioner: Any) -> None:
        assert dataclasses.is_dataclass(captioner)
        assert "(" not in (type(captioner).__doc__ or "(")[:1]
        with pytest.raises(dataclasses.FrozenInstanceError):
            captioner.anything = 1

    def test_one_answer_a_clip_in_order(self, captioner: Captioner) -> None:
        batch = [Given(clip(text=f"Text {n}."), frames(n)) for n in range(3)]
        batch.insert(1, Given(clip(text="", words=()), []))
        together = captioner.caption(batch)
        assert len(together) == 4
        assert list(together) == [captioner.caption([each])[0] for each in batch]
        assert captioner.caption([]) == []

    def test_nothing_to_say_is_none_and_never_empty(self, captioner: Captioner) -> None:
        nothing, something = captioner.caption([Given(clip(text=" ", words=()), []), Given()])
        assert nothing is None
        assert something is not None
        assert something.text == something.text.strip() != ""

    def test_signs_with_its_name(self, name: str, captioner: Captioner) -> None:
        (caption,) = captioner.caption([Given()])
        assert caption is not None
        assert caption.captioner == name
        assert caption.match is None, "how well it fits is measured by the stage"
