"""A machine without Java or Maven: the Kafka tests are skipped and say so last; in CI they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ["tests/deploy/test_kafka_script.py::test_a_typo_makes_no_topic", "tests/cli/test_submit.py"]


def _run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest on a few tests, where PATH has no java."""
    (tmp_path / "bin").mkdir()
    for name in ("bash", "env", "kcat"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or pytest.fail(name))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "typo or topics", *TESTS],
        cwd=ROOT,
        env={**inherited, "PATH": str(tmp_path / "bin"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_last_lines_say_how_many_and_why(tmp_path: Path) -> None:
    done = _run(tmp_path)
    assert done.returncode == 0
    assert "2 Kafka tests were skipped: Kafka needs Java 17 and there is no java" in "\n".join(
        done.stdout.splitlines()[-3:]
    )


@pytest.mark.slow
def test_in_ci_it_is_a_failure(tmp_path: Path) -> None:
    done = _run(tmp_path, CI="true")
    assert done.returncode == 1
    assert "openjdk-17-jre-headless" in done.stdout
    assert "2 errors" in done.stdout
