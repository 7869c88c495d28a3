"""The schedule of a chaos is a function of its seed, and leaves nothing out that the machine can do."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.chaos.faults import Faults
from tests.faults.chaos.schedule import KINDS, LONG, STORE_WORKER, kills_of, make_schedule

SEEDS = st.integers(-(2**63), 2**63)
unhurried = settings(deadline=None, max_examples=40)
BUCKET_ONLY = [kind.name for kind in KINDS.values() if kind.elsewhere]


@unhurried
@given(SEEDS, st.integers(1, 60), st.integers(1, 5))
def test_any_seed_gives_a_schedule_and_the_same_seed_the_same(seed: int, kills: int, workers: int) -> None:
    schedule = make_schedule(kills, seed, workers)
    assert schedule == make_schedule(kills, seed, workers)
    assert sum(kills_of(fault, workers) for fault in schedule) >= kills
    assert {fault.kind for fault in schedule} == set(KINDS), "every kind comes once before chance alone decides"
    assert all(earlier.at_s < later.at_s for earlier, later in pairwise(schedule))
    assert all(0 <= fault.worker < workers for fault in schedule)
    assert all(fault.worker == STORE_WORKER for fault in schedule if fault.kind == "failpoint")


@unhurried
@given(SEEDS)
def test_two_of_a_kind_that_lasts_never_overlap(seed: int) -> None:
    schedule = make_schedule(60, seed, 3)
    for kind in LONG:
        of_kind = [fault for fault in schedule if fault.kind == kind]
        assert all(earlier.at_s + earlier.lasts_s < later.at_s for earlier, later in pairwise(of_kind))


@unhurried
@given(SEEDS)
def test_what_a_machine_cannot_do_is_left_out_and_the_rest_stays(seed: int) -> None:
    whole = make_schedule(50, seed, 3)
    assert make_schedule(50, seed, 3, leave_out=BUCKET_ONLY) == [
        fault for fault in whole if fault.kind not in BUCKET_ONLY
    ]


@pytest.mark.parametrize("only", ["kill", "kill_all", "broker_kill"])
def test_of_one_kind_alone_there_are_as_many_as_were_asked_for(only: str) -> None:
    schedule = make_schedule(12, 7, 3, leave_out=[kind for kind in KINDS if kind != only])
    assert {fault.kind for fault in schedule} == {only}
    if only != "broker_kill":
        assert 12 <= sum(kills_of(fault, 3) for fault in schedule) < 15


def test_seeds_differ() -> None:
    assert len({tuple(make_schedule(10, seed, 3)) for seed in range(20)}) == 20


def test_a_longer_schedule_begins_like_the_shorter_one() -> None:
    short = make_schedule(30, 7, 3)
    assert make_schedule(200, 7, 3)[: len(short)] == short


def test_every_kind_can_be_done() -> None:
    for kind in KINDS:
        assert callable(getattr(Faults, f"_{kind}"))


@pytest.mark.parametrize(("kills", "workers"), [(0, 1), (1, 0)])
def test_no_kills_or_no_workers_make_no_sense(kills: int, workers: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        make_schedule(kills, 1, workers)
