"""The checker is checked: each planted mutant is caught, and by the very play that passes without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import small_world, store_world
from tests.faults.expectation import check_all, check_dataset, check_remains
from tests.faults.file_broker import FileBroker
from tests.faults.killing import finishes, killed_at
from tests.stores.lakes import rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20_000)]


@dataclass(frozen=True)
class Play:
    """Kills and a last run, with or without a mutant, and then the oracle."""

    mutant: str
    run: Callable[[Path, tuple[str, ...]], None]
    complaint: str
    """What the oracle says of the mutant."""


def messages(video_id: str, kill: str) -> Callable[[Path, tuple[str, ...]], None]:
    """One video through the small world, killed once."""

    def run(folder: Path, mutant: tuple[str, ...]) -> None:
        small_world.publish(FileBroker(folder / "broker"), video_id)
        killed_at(small_world.__name__, kill, str(folder), *mutant)
        check_remains(folder)
        finishes(small_world.__name__, str(folder), *mutant)
        check_all(folder, {video_id})

    return run


def commits(kill: str, first: list[list[int]], again: list[list[int]]) -> Callable[[Path, tuple[str, ...]], None]:
    """Batches straight into the store, killed once; after it they may be cut otherwise."""

    def run(folder: Path, mutant: tuple[str, ...]) -> None:
        killed_at(store_world.__name__, kill, str(folder), json.dumps(first), *mutant)
        check_remains(folder)
        finishes(store_world.__name__, str(folder), json.dumps(again), *mutant)
        check_dataset(folder)
        assert sorted(rows(folder, "SELECT video_id, status FROM videos")) == [("vid-a", "done"), ("vid-b", "failed")]
        assert rows(folder, "SELECT count(*), count(*) FILTER (accepted) FROM clips") == [(5, 4)]
        assert rows(folder, "SELECT count(*) FROM samples") == [(8,)]

    return run


ONE, TWO, THREE = ([number] for number in store_world.SMALL)
LARGE, REST = [store_world.LARGE], store_world.REST

PLAYS = (
    Play("ack_first", messages("vid-1", "shell.worked"), "vid-1"),
    Play("no_await_on_dead_letter", messages("dead-1", "shell.committed"), "dead-1"),
    Play(
        "no_guards",
        commits("store.committed:2", [ONE, [*TWO, *REST]], [ONE, [*TWO, *REST], [*THREE, *LARGE]]),
        "row_twice",
    ),
    Play(
        "no_truncate",
        commits("store.appended:2", [ONE, LARGE], [TWO, THREE, ONE, LARGE, REST]),
        "shard_end",
    ),
    Play(
        "rename_before_commit",
        commits("store.inserted:4", [ONE, TWO, THREE], [[*ONE, *TWO], [*THREE, *REST], LARGE]),
        "shard_renamed",
    ),
)  # fmt: skip


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.mutant)
def test_the_play_passes_without_its_mutant(play: Play, tmp_path: Path) -> None:
    play.run(tmp_path, ())


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.mutant)
def test_the_mutant_is_caught(play: Play, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=play.complaint):
        play.run(tmp_path, (play.mutant,))


@pytest.mark.parametrize("guard", ["no_offset_skip", "no_anti_join"])
def test_either_guard_alone_withstands_a_redelivery(guard: str, tmp_path: Path) -> None:
    (play,) = (play for play in PLAYS if play.mutant == "no_guards")
    play.run(tmp_path, (guard,))
