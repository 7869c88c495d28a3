"""What goes wrong, and when: a list that depends on the seed and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from vta_stream.failpoints import POINTS

REACHABLE = sorted(point for point in POINTS if not point.startswith("journal."))
"""The journal is the embedded broker's."""
STORE_WORKER = 0
"""This worker runs all agents; the others run all but the store, since a dataset has one writer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. `weight` is its share among all; `kills` says how many worker deaths by SIGKILL it plans.

    `lasts_s` is the range that its duration is drawn from.
    """

    name: str
    weight: float
    text: str
    lasts_s: tuple[float, float] = (0.0, 0.0)
    kills: int = 0
    elsewhere: bool = False
    """Only where the dataset is in a bucket, with its catalog in Postgres."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("kill", 58, "kill -9 of a worker", kills=1),
        Kind("kill_twice", 6, "kill -9 of a worker, and again while it starts", (0.2, 4.0), kills=2),
        Kind("kill_all", 4, "kill -9 of all workers at once"),
        Kind(
            "failpoint",
            8,
            "the store kills itself at a named place of its commit, or of its recovery",
            (0, 20),
            kills=2,
        ),
        Kind("terminate", 5, "SIGTERM of a worker, as in a rolling update"),
        Kind("broker_kill", 3, "kill -9 of the broker, away for a while", (0.0, 12.0)),
        Kind("broker_stop", 2, "the broker shut down in good order, away for a while", (0.0, 12.0)),
        Kind("broker_pause", 2, "the broker paused (SIGSTOP): connections stay and nobody answers", (2.0, 15.0)),
        Kind("pause", 4, "a worker paused (SIGSTOP) for longer than the session timeout, then a zombie", (2.0, 10.0)),
        Kind("scale", 4, "one more worker for a while: two rebalances", (8.0, 25.0)),
        Kind("same_name", 3, "a second process under a worker's name, on this machine", (0.0, 0.0)),
        Kind("same_name_elsewhere", 1, "a second process under a worker's name, on another machine", (0.0, 0.0)),
        Kind("second_store", 2, "a second writer of the dataset", (0.0, 0.0)),
        Kind("disk_full", 3, "the disk of the data folder full", (2.0, 8.0)),
        Kind("catalog_locked", 3, "somebody holds a write transaction on the catalog", (2.0, 15.0)),
        Kind("s3_kill", 3, "kill -9 of the S3 server, away for a while", (1.0, 12.0), elsewhere=True),
        Kind(
            "s3_pause",
            2,
            "the S3 server paused (SIGSTOP): connections stay and nobody answers",
            (2.0, 15.0),
            elsewhere=True,
        ),
        Kind("postgres_kill", 3, "a crash of Postgres with the catalog, away for a while", (1.0, 8.0), elsewhere=True),
    )
}
LONG = {
    "broker_kill", "broker_stop", "broker_pause", "pause", "scale", "disk_full", "catalog_locked",
    "s3_kill", "s3_pause", "postgres_kill",
}  # fmt: skip
"""Kinds that go on while other faults follow; two of one kind never overlap."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry. `at_s` counts from the beginning; `worker` is the number of the one that is hit."""

    number: int
    at_s: float
    kind: str
    worker: int
    lasts_s: float = 0.0
    detail: str = ""

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"#{self.number} {self.kind} w{self.worker}{lasts}{f' ({self.detail})' if self.detail else ''}"


def kills_of(fault: Fault, workers: int) -> int:
    """How many deaths of workers by SIGKILL the fault plans."""
    return workers if fault.kind == "kill_all" else KINDS[fault.kind].kills


def make_schedule(
    kills: int, seed: int, workers: int, *, pace_s: float = 4.0, leave_out: Sequence[str] = ()
) -> list[Fault]:
    """Faults until `kills` deaths of workers are planned, on average one every `pace_s` seconds.

    Every kind comes once before chance alone decides. The kinds of `leave_out` are drawn like the others and then
    dropped, so that a machine that cannot do one kind has the same schedule but for that; where all that is left kills
    nobody, the deaths that were dropped count. A worker is mostly left
    alone for some seconds after its last death, so that it gets somewhere, and sometimes is not.
    """
    if kills < 1 or workers < 1:
        raise ValueError("at least one kill and one worker")
    chosen, planned = [], 0
    none_kills = not any(kind.kills or name == "kill_all" for name, kind in KINDS.items() if name not in leave_out)
    for fault in _draw(Random(f"schedule {seed} {workers}"), workers, pace_s):
        if fault.kind not in leave_out:
            chosen.append(fault)
        if none_kills or fault.kind not in leave_out:
            planned += kills_of(fault, workers)
        if planned >= kills and fault.number >= len(KINDS):
            return chosen
    raise AssertionError("the draw has no end")


def _draw(chooser: Random, workers: int, pace_s: float) -> Iterator[Fault]:
    busy_until_s = dict.fromkeys(LONG, 0.0)
    hit_at_s = [-100.0] * workers
    at_s = 0.0
    for number, kind in enumerate(_kinds(chooser), 1):
        at_s = max(at_s, busy_until_s.get(kind.name, 0.0)) + chooser.uniform(0.1, 1.9) * pace_s
        lasts_s = round(chooser.uniform(*kind.lasts_s), 1)
        worker = _worker(chooser, [at_s - hit_s > 2.5 * pace_s for hit_s in hit_at_s])
        detail = f"{chooser.choice(REACHABLE)}:{chooser.randint(1, 3)}"
        if kind.name in LONG:
            busy_until_s[kind.name] = at_s + lasts_s + pace_s
        if kind.name in ("failpoint", "second_store"):
            worker = STORE_WORKER
        fault = Fault(number, round(at_s, 2), kind.name, worker, lasts_s, detail if kind.name == "failpoint" else "")
        if kills_of(fault, workers):
            for each in range(workers) if kind.name == "kill_all" else (worker,):
                hit_at_s[each] = at_s
        yield fault


def _kinds(chooser: Random) -> Iterator[Kind]:
    yield from chooser.sample(list(KINDS.values()), len(KINDS))
    weights = [kind.weight for kind in KINDS.values()]
    while True:
        yield chooser.choices(list(KINDS.values()), weights)[0]


def _worker(chooser: Random, rested: Sequence[bool]) -> int:
    """One of the rested ones, if there are any; one time in seven whichever."""
    wanted = [number for number, is_rested in enumerate(rested) if is_rested]
    anyone, patient = chooser.random(), chooser.random() < 6 / 7
    among = wanted if wanted and patient else list(range(len(rested)))
    return among[int(anyone * len(among))]
