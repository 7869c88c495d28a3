"""Running a program of these tests until it is killed at a failpoint, or to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from vta_stream import failpoints

ROOT = Path(__file__).parents[2]
PATIENCE_S = 1500


def run(module: str, *arguments: str, failpoint: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a module to its end, or until it is killed at the failpoint."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(failpoints.VARIABLE, None)
    if failpoint:
        environment[failpoints.VARIABLE] = failpoint
    command = [sys.executable, "-m", "tests.faults.lean", module, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False, timeout=PATIENCE_S
    )


def killed_at(module: str, failpoint: str, *arguments: str) -> None:
    """Run it and see it die just there."""
    result = run(module, *arguments, failpoint=failpoint)
    assert result.returncode == -signal.SIGKILL, (failpoint, result.returncode, result.stderr[-3000:])
    assert f"killed at the failpoint {failpoint}" in result.stderr


def finishes(module: str, *arguments: str) -> None:
    """Run it and see it end well."""
    result = run(module, *arguments)
    assert result.returncode == 0, result.stderr[-3000:]
