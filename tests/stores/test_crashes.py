"""The writer is killed (SIGKILL) at every named point of the commit path, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stores.lakes import check_samples, rows, state
from vta_stream import failpoints

ROOT = Path(__file__).parents[2]

KILLS = [
    ("store.appending:11",),
    ("store.appended",),
    ("store.inserted:3",),  # the first is the tables' own transaction
    ("store.committed",),
    ("store.committed:3",),
    ("store.sealing:2",),
    ("store.sealed:3",),
    ("store.appended:2", "store.recovering"),
    ("store.committed", "store.recovering:2", "store.sealing"),
]


def write(folder: Path, failpoint: str | None = None, first_offset: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(failpoints.VARIABLE, None)
    if failpoint:
        environment[failpoints.VARIABLE] = failpoint
    command = [sys.executable, "-m", "tests.stores.writer_process", str(folder), str(first_offset)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False, timeout=200)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    result = write(folder)
    assert result.returncode == 0, result.stderr
    assert check_samples(folder) == 16
    assert rows(folder, "SELECT video_id, status FROM videos ORDER BY 1") == [
        ("vid-a", "done"),
        ("vid-b", "done"),
        ("vid-c", "failed"),
    ]
    return state(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kills", KILLS, ids="+".join)
def test_nothing_is_lost_or_twice_after_a_kill(
    tmp_path: Path, undisturbed: dict[str, list[str]], kills: tuple[str, ...]
) -> None:
    for kill in kills:
        result = write(tmp_path, kill)
        assert result.returncode == -signal.SIGKILL, (kill, result.stderr)
    result = write(tmp_path)
    assert result.returncode == 0, result.stderr
    check_samples(tmp_path)
    assert state(tmp_path) == undisturbed


def test_a_replay_with_new_offsets_adds_nothing(tmp_path: Path, undisturbed: dict[str, list[str]]) -> None:
    assert write(tmp_path, "store.committed:2").returncode == -signal.SIGKILL
    assert write(tmp_path, first_offset=1000).returncode == 0
    assert write(tmp_path, first_offset=2000).returncode == 0
    assert check_samples(tmp_path) == 16
    again = state(tmp_path)
    assert again.pop("offsets") != undisturbed["offsets"]
    assert again == {table: rows for table, rows in undisturbed.items() if table != "offsets"}


def test_a_failpoint_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    result = write(tmp_path, "store.typo")
    assert result.returncode == 1
    assert "no failpoint 'store.typo'" in result.stderr
