"""One Prometheus a test process, on an endpoint where every metric moves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.deploy.prometheus_process import READY_WITHIN_S, Prometheus, running_prometheus
from tests.house import ROOT


@pytest.fixture(scope="session")
def metrics_port() -> Iterator[int]:
    """The port of tests/deploy/metrics_process.py."""
    command = [sys.executable, "-m", "tests.deploy.metrics_process"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@pytest.fixture(scope="session")
def prometheus(metrics_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that has scraped often enough for rates, and has evaluated rules upon rules."""
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, [f"127.0.0.1:{metrics_port}"]) as server:
        deadline = time.monotonic() + READY_WITHIN_S
        while server.values("count_over_time(stage:vta_time_to_drain_seconds:estimate[5m]) > 1") == []:
            assert time.monotonic() < deadline, server.get("targets")
            time.sleep(0.2)
        yield server
