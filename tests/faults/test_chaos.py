"""The short form of `make chaos`: every fault at least once, on a real Kafka, and then the oracle and verify."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.chaos.report import as_text
from tests.faults.chaos.run import Options, Run
from tests.faults.chaos.schedule import KINDS, make_schedule

SEED = 416
"""With it all kinds of faults are over after 44 s, and the video that takes longest to end (it hangs) comes early."""
KILLS = 8
WORKERS = 2
PACE_S = 2.0
BACKLOG = 30
BUCKET_ONLY = [kind.name for kind in KINDS.values() if kind.elsewhere]


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_nothing_is_lost_and_nothing_twice(kafka_possible: None, tmp_path: Path) -> None:
    schedule = make_schedule(KILLS, SEED, WORKERS, pace_s=PACE_S, leave_out=BUCKET_ONLY)
    run = Run(tmp_path, Options(SEED, schedule, workers=WORKERS, backlog=BACKLOG), print)
    try:
        outcome = asyncio.run(run.go())
    finally:
        run.place.leave()
    told = as_text(outcome)
    assert not outcome.problems, told
    left_out = {*BUCKET_ONLY, *(["disk_full"] if run.place.no_mount else [])}
    assert {kind for kind in KINDS if not outcome.measured.done[kind]} <= left_out, told
    assert outcome.kills.total() >= KILLS // 2, told
    assert outcome.findings == [], told
    assert outcome.judgement.videos == outcome.distinct > BACKLOG, told
    assert outcome.judgement.samples > 0, told
    assert outcome.shards > 0, told
