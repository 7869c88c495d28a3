"""What `vta-stream doctor` prints: a remedy in one piece, and an exit code that a script can use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from vta_stream.cli import main


def _write_settings(folder: Path, broker: str) -> Path:
    file = folder / "settings.yaml"
    file.write_text(
        f"data_dir: {folder}/data\nkafka: {{bootstrap_servers: '{broker}'}}\nmodels: {{cache_dir: {folder}/hub}}\n"
    )
    return file


def test_a_command_stays_in_one_piece_in_a_narrow_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done = CliRunner().invoke(main, ["-s", str(_write_settings(tmp_path, "127.0.0.1:1")), "doctor"])
    assert done.exit_code == 1, "no broker"
    lines = done.output.splitlines()
    (remedy,) = [line for line in lines if "hf download laion/CLIP" in line]
    assert "--revision" in remedy
    assert remedy.endswith("# or set models.image_text.name to a folder")
    (broken,) = [line for line in lines if line.startswith("broken")]
    assert "127.0.0.1:1 cannot be reached: [Errno 111] Connection refused" in broken, "brackets are no markup"


def test_json_has_the_same_findings(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["-s", str(_write_settings(tmp_path, "127.0.0.1:1")), "doctor", "--json"])
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert findings["broker"]["state"] == "broken"
    assert "make kafka" in findings["broker"]["remedy"]
    assert findings["disk"]["state"] == "good"
