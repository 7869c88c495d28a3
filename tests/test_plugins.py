"""Plug-ins are found by name, and a wrong name or option stops the start with what exists."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.builders import clip
from vta_stream.domain.scores import Scores
from vta_stream.plugins import load_captioners, load_filters, load_scorers, plugin_names
from vta_stream.settings import Settings, SettingsError

FILTER = """
from dataclasses import dataclass
from typing import ClassVar
from vta_stream.filters.base import LimitFilter

@dataclass(frozen=True)
class Steadiness(LimitFilter):
    name: ClassVar[str] = "steadiness"
    needs: ClassVar[str] = "steadiness"
    minimum: float | None = 0.4

PLUGIN = Steadiness
"""


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own_plugins"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_plugins"]:
        del sys.modules[name]


def test_the_default_settings_load() -> None:
    settings = Settings()
    assert list(load_scorers(settings.scorers)) == list(settings.scorers)
    assert [each.name for each in load_filters(settings.filters)] == list(settings.filters)
    assert list(load_captioners(settings.captioners)) == ["transcript", "coca"]


def test_every_file_is_in_the_default_settings() -> None:
    settings = Settings()
    assert plugin_names("filters") == sorted(settings.filters)
    assert plugin_names("scorers") == sorted(settings.scorers)
    assert plugin_names("captioners") == sorted(settings.captioners)


def test_options_reach_the_plugin() -> None:
    (motion,) = load_filters({"motion": {"minimum": 7, "maximum": None}})
    assert motion.judge(clip(scores=Scores({"motion": 6.9}))).limit == 7


def test_no_options_may_be_written_as_nothing() -> None:
    assert len(load_filters({"motion": None})) == 1  # type: ignore[dict-item]  # `motion:` in YAML


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"moton": {}}, ["filters.moton", "did you mean motion?", "Known here", "sharpness"]),
        ({"qqqq": {}}, ["unknown key filters.qqqq.", "Known here", "asr_confidence"]),
        ({"base": {}}, ["filters.base", "Known here"]),
        ({"motion": {"minimun": 1}}, ["filters.motion.minimun", "did you mean minimum?", "maximum, minimum"]),
        ({"motion": {"name": "other"}}, ["filters.motion.name", "maximum, minimum"]),
        ({"motion": {"minimum": "much"}}, ["filters.motion.minimum", "valid number", "'much'"]),
        ({"motion": {"minimum": 3, "maximum": 2}}, ["filters.motion", "minimum 3.0 is above the maximum 2.0"]),
        ({"motion": {"minimum": float("nan")}}, ["filters.motion", "finite"]),
        ({"no_such_package.thing": {}}, ["filters.no_such_package.thing", "cannot be imported"]),
        ({"vta_stream.scorers.duration": {}}, ["is none of the filters", "judge"]),
        ({"vta_stream.domain.clip": {}}, ["PLUGIN"]),
        ({"motion": {}, "vta_stream.filters.motion": {}}, ["both call themselves motion"]),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, dict[str, object]], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_filters(options)
    for word in words:
        assert word in str(caught.value)


def test_options_of_a_plugin_without_any() -> None:
    with pytest.raises(SettingsError, match=r"scorers\.duration\.unit\. ?It has no options"):
        load_scorers({"duration": {"unit": "ms"}})


def test_a_module_of_the_users_own(own_package: Path) -> None:
    (own_package / "steadiness.py").write_text(FILTER)
    (steadiness,) = load_filters({"own_plugins.steadiness": {"minimum": 0.5}})
    assert not steadiness.judge(clip(scores=Scores({"steadiness": 0.45}))).keep
    assert steadiness.judge(clip(scores=Scores({"steadiness": 0.55}))).keep


def test_a_module_that_fails_to_import_says_why(own_package: Path) -> None:
    (own_package / "broken.py").write_text("import no_such_dependency")
    with pytest.raises(SettingsError, match=r"filters\.own_plugins\.broken.*no_such_dependency"):
        load_filters({"own_plugins.broken": {}})


def test_an_option_without_default_has_to_be_set(own_package: Path) -> None:
    (own_package / "needy.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Needy:\n    folder: str\nPLUGIN = Needy\n"
    )
    with pytest.raises(SettingsError, match=r"scorers\.own_plugins\.needy: folder has to be set"):
        load_scorers({"own_plugins.needy": {}})
