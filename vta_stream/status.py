"""What is going on: the funnel from the dataset, and the state of each stage from the workers' metrics."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from vta_stream.stores.reader import DatasetError, open_reader
from vta_stream.stream.records import INPUTS

if TYPE_CHECKING:
    from vta_stream.settings import Settings

Samples = Mapping[tuple[str, str], float]
"""(metric name, stage) -> the sum over all other labels."""


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One stage over all workers found. `finished` counts since those workers started."""

    stage: str
    lag: int = 0
    in_progress: int = 0
    oldest_s: float = 0.0
    finished: int = 0
    per_minute: float = 0.0
    retries: int = 0
    dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """A picture of one moment. `funnel` maps the steps to counts, in order; empty before the first commit.

    `taken_at_s` is Unix time.
    """

    taken_at_s: float
    workers: tuple[str, ...]
    funnel: Mapping[str, int] = field(default_factory=dict)
    stages: tuple[StageStatus, ...] = ()
    notes: tuple[str, ...] = ()


def read_status(settings: Settings) -> Status:
    """Ask the dataset and every worker of this data folder; what does not answer is noted, not hidden."""
    notes: list[str] = []
    try:
        with open_reader(settings) as connection:
            funnel = dict(connection.execute("SELECT step, count FROM funnel").fetchall())
    except DatasetError as error:
        funnel = {}
        notes.append(str(error))
    scrapes: dict[str, Samples] = {}
    for file in sorted(settings.state_dir.glob("worker-*.json")):
        name = file.stem.removeprefix("worker-")
        try:
            scrapes[name] = _scrape(json.loads(file.read_text())["url"] + "/metrics")
        except OSError as error:
            notes.append(f"worker {name} does not answer: {error}")
    if not scrapes:
        notes.append("no worker runs on this data folder; start one with: vta-stream run")
    return Status(time.time(), tuple(scrapes), _ordered(funnel), _stages(scrapes.values()), tuple(notes))


def _ordered(funnel: Mapping[str, int]) -> dict[str, int]:
    """Videos, then clips, then dead letters; within each the whole before its parts."""
    rank = ("videos", "clips", "dead")
    return dict(sorted(funnel.items(), key=lambda item: (rank.index(item[0].split()[0]), item[0])))


def _scrape(url: str) -> Samples:
    totals: dict[tuple[str, str], float] = defaultdict(float)
    with urllib.request.urlopen(url, timeout=3) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            totals[sample.name, sample.labels.get("stage", "")] += sample.value
    return totals


def _stages(scrapes: Iterable[Samples]) -> tuple[StageStatus, ...]:
    rows = []
    for stage in INPUTS:
        values: dict[str, float] = defaultdict(float)
        for samples in scrapes:
            finished = samples.get(("vta_messages_total", stage), 0.0)
            uptime_s = max(1.0, time.time() - samples.get(("process_start_time_seconds", ""), time.time()))
            values["finished"] += finished
            values["per_minute"] += 60 * finished / uptime_s
            for name, metric in _SUMMED.items():
                values[name] += samples.get((metric, stage), 0.0)
            values["oldest_s"] = max(values["oldest_s"], samples.get(("vta_oldest_in_progress_seconds", stage), 0.0))
        rows.append(_row(stage, values))
    return tuple(rows)


_SUMMED = {
    "lag": "vta_lag_messages",
    "in_progress": "vta_in_progress_messages",
    "retries": "vta_retries_total",
    "dead_letters": "vta_dead_letters_total",
}


def _row(stage: str, values: Mapping[str, Any]) -> StageStatus:
    return StageStatus(
        stage=stage,
        lag=int(values["lag"]),
        in_progress=int(values["in_progress"]),
        oldest_s=values["oldest_s"],
        finished=int(values["finished"]),
        per_minute=values["per_minute"],
        retries=int(values["retries"]),
        dead_letters=int(values["dead_letters"]),
    )
