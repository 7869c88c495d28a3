"""A process that serves the daemon's own registry with every metric set, and goes on moving them.

Prints its port and ends with its standard input. What it exposes is the real table of vta_stream/metrics.py under
the label values below; only the events are made up.
"""

from __future__ import annotations

import itertools
import select
import sys

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from vta_stream import metrics
from vta_stream.stream.records import INPUTS

LABELS = {
    "stage": tuple(INPUTS),
    "outcome": ("ok", "retry", "defer", "dead_letter", "failed"),
    "reason": ("timeout", "unknown"),
    "topic": ("videos", "download.retries"),
    "work": ("segment",),
    "how": ("ok", "killed"),
    "status": ("done", "failed"),
    "verdict": ("accepted", "rejected", "keep", "reject"),
    "filter": ("clip_match", "motion"),
    "score": ("clip_match", "motion"),
    "step": ("downloaded", "stored"),
    "source": ("youtube", "file"),
    "table": ("clips", "samples"),
    "guard": ("offset", "id"),
    "layout": ("video_text", "embeddings"),
    "version": ("0.1.0",),
    "pipeline_version": ("0a1b2c3d",),
    "python": ("3.11",),
}
"""A new label has to be named here, or this stops with a KeyError that says so."""


def move(metric: Counter | Gauge | Histogram, labels: tuple[str, ...]) -> None:
    """One event on every series of a metric."""
    for values in itertools.product(*(LABELS[label] for label in labels)):
        series = metric.labels(*values) if values else metric
        if isinstance(series, Counter):
            series.inc()
        elif isinstance(series, Gauge):
            series.set(1)
        else:
            series.observe(0.3)


def main() -> None:
    server, _thread = start_http_server(0, addr="127.0.0.1", registry=metrics.REGISTRY)
    print(server.server_port, flush=True)
    table = [metric for metric in vars(metrics).values() if isinstance(metric, Counter | Gauge | Histogram)]
    while True:
        for metric in table:
            move(metric, metric._labelnames)
        if select.select([sys.stdin], [], [], 0.2)[0]:
            return


if __name__ == "__main__":
    main()
