from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from vta_stream.cli import main
from vta_stream.toyworld.corpus import SIGHT as OWN_SIGHT
from vta_stream.toyworld.training.sight.model import make_network, write_model

SIGHT = ["toyworld", "evaluate", "--only", "sight", "--scenes", "4"]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untrained")
    write_model(folder, make_network(0).state_dict())
    return folder


def test_figures_as_json_of_any_model(untrained: Path) -> None:
    done = CliRunner().invoke(main, [*SIGHT, "--json", "--sight", str(untrained)])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)["sight"]
    assert figures["scenes"] == 4
    assert set(figures["auc_by_attribute"]) == {"colour", "shape", "size", "count", "place", "relation"}
    assert figures["captions_right"] == 0.0, "nobody has taught it to speak"


def test_figures_as_a_table(untrained: Path) -> None:
    done = CliRunner().invoke(main, [*SIGHT, "--sight", str(untrained)])
    assert done.exit_code == 0, done.output
    assert "sight: auc other scene" in done.stdout
    assert "sight: auc by attribute: colour" in done.stdout


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [*SIGHT, "--sight", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert f"there is no folder {tmp_path / 'none'}" in done.stderr
    assert "Traceback" not in done.output


def test_the_package_s_own_eyes_are_the_default() -> None:
    assert (OWN_SIGHT / "open_clip_model.safetensors").is_file()
