"""A real Prometheus on loopback with the project's own configuration, and what PromQL names."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house import ROOT

DEPLOY = ROOT / "deploy" / "prometheus"
UNPACKED = ROOT / ".cache" / "prometheus" / "usr" / "bin"
READY_WITHIN_S = 60
_KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "offset", "bool"}
_CONSTANTS = {"inf", "nan"}


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips where there is none, and fails there under CI=true."""
    found = shutil.which(name) or (str(UNPACKED / name) if (UNPACKED / name).is_file() else None)
    if found:
        return found
    reason = f"{name} is missing: deploy/setup/debian.sh test gets it (Debian's package prometheus)"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason}; in CI that is a failure")
    pytest.skip(reason)


def metric_names(expression: str) -> set[str]:
    """The names of the metrics and recording rules that a PromQL expression reads."""
    text = re.sub(r'"[^"]*"', "", expression)
    text = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", text)
    text = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    text = re.sub(r"\boffset\s+\S+|(?<![\w:])[0-9][\w.]*", " ", text)
    names = re.findall(r"[A-Za-z_:][\w:]*(?!\s*\()(?![\w:])", text)
    return {name for name in names if name.lower() not in _KEYWORDS | _CONSTANTS}


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules of a kind: `record` or `alert`."""
    files = sorted((DEPLOY / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    address: str

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of the HTTP API; an error of PromQL is an AssertionError with its text."""
        query = urllib.parse.urlencode({key.replace("match", "match[]"): value for key, value in parameters.items()})
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def values(self, expression: str) -> list[float]:
        """The values of all series of an instant query."""
        result = self.get("query", query=expression)["result"]
        return [float(series["value"][1]) for series in result]


@contextlib.contextmanager
def running_prometheus(folder: Path, targets: Sequence[str]) -> Iterator[Prometheus]:
    """A server that scrapes `targets` (host:port) twice a second, with the project's rules and job.

    Only the intervals and the targets differ from deploy/prometheus: time is what a test has not got.
    """
    shutil.copytree(DEPLOY, folder / "etc")
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    (folder / "etc" / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "etc" / "targets" / "workers.yml").write_text(yaml.safe_dump([{"targets": list(targets)}]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    log = folder / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'etc' / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(server, address, log)
        yield Prometheus(address)
    finally:
        server.kill()
        server.wait()


def _wait_until_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/-/ready", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"Prometheus did not get ready:\n{log.read_text()[-3000:]}")
