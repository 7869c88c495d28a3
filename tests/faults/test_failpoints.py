"""Every failpoint is a place of the code, and at every one a process is killed; afterwards nothing is lost or twice."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.faults.expectation import check_all, check_remains
from tests.faults.file_broker import FileBroker
from tests.faults.killing import finishes, killed_at, run
from tests.faults.small_world import publish
from tests.house import modules
from tests.stores.lakes import rows
from vta_stream.failpoints import POINTS

WORLD = "tests.faults.small_world"
VIDEOS = ("vid-1", "flaky-2", "dead-3", "vid-4", "vid-5", "vid-1")
"""One ID is published twice."""
MANY = (*VIDEOS, "vid-6", "vid-7", "vid-8")

CHAINS = (
    # The work of the shell, and its ledger while it recovers.
    (VIDEOS, ("shell.buried", "shell.begun", "ledger.rewriting", "shell.worked:2", "shell.sent", "shell.committing",
     "shell.committed:2")),
    # An artifact, a commit, and recovery from it at each step.
    (MANY, ("media.synced", "media.published:2", "store.committed:2", "store.recovering", "store.appending:2",
     "store.recovering:2", "store.appended", "store.inserted:2", "store.sealing", "store.sealed", "store.listing")),
    # The clean-up after a video's end, and maintenance.
    (VIDEOS, ("media.removing", "media.removed", "store.committed:3", "media.removing", "store.tidying",
     "store.recovering")),
)  # fmt: skip
"""What a world is killed at, one after the other; each start recovers from the kill before it."""

ELSEWHERE = {"journal.compacting": "tests/faults/test_journal_killed.py"}


def test_the_table_of_failpoints_is_the_code() -> None:
    named = set()
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hit":
                words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                named |= {word for word in words if isinstance(word, str) and "." in word}
    assert named == set(POINTS)


def test_at_every_failpoint_something_is_killed() -> None:
    killed = {kill.partition(":")[0] for _, kills in CHAINS for kill in kills}
    assert killed | set(ELSEWHERE) == set(POINTS)
    for point, file in ELSEWHERE.items():
        assert f'"{point}"' in (Path(__file__).parents[2] / file).read_text()


def open_shards(folder: Path) -> int:
    """What a recovery would go on with. Which clips are in a commit is chance, and it may have filled its shards."""
    ((count,),) = rows(folder, "SELECT count(*) FROM shards WHERE state = 'open'")
    return int(count)


@pytest.mark.slow
@pytest.mark.timeout(20_000)
@pytest.mark.parametrize(("videos", "kills"), CHAINS, ids=("shell", "commit", "cleaning"))
def test_nothing_is_lost_or_twice(tmp_path: Path, videos: tuple[str, ...], kills: tuple[str, ...]) -> None:
    publish(FileBroker(tmp_path / "broker"), *videos)
    for kill in kills:
        point, _, times = kill.partition(":")
        while point == "store.recovering" and open_shards(tmp_path) < int(times or 1):
            killed_at(WORLD, "store.committed", str(tmp_path))
        killed_at(WORLD, kill, str(tmp_path))
        check_remains(tmp_path)
    finishes(WORLD, str(tmp_path))
    check_all(tmp_path, set(videos))


def test_a_failpoint_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    result = run(WORLD, str(tmp_path), failpoint="store.typo")
    assert result.returncode == 1
    assert "no failpoint 'store.typo'" in result.stderr
