"""The scrape, the recording rules, and the exposition itself."""

from __future__ import annotations

import subprocess
import urllib.request

import pytest
import yaml

from tests.deploy.prometheus_process import DEPLOY, Prometheus, metric_names, program, rules
from vta_stream.metrics import REGISTRY
from vta_stream.settings import Settings


def exposed() -> set[str]:
    """The names of all series that the daemon can expose."""
    names = set()
    for family in REGISTRY.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + ending for ending in endings}
    return names


def known_names() -> set[str]:
    """What an expression may name: our metrics, our recording rules, and what Prometheus adds to a scrape."""
    return exposed() | {rule["record"] for rule in rules("record")} | {"up"}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (stage, le) (rate(a_bucket{stage=~"x|y"}[5m])) > 1e3', {"a_bucket"}),
        ("deriv(l:m:o[1h]) > 0 and on (stage) x unless y offset 15m", {"l:m:o", "x", "y"}),
        ('histogram_quantile(0.9, h_bucket) / (k or k * 0) < 5 * 10 ^ 3 or absent(up{a="j"})', {"h_bucket", "k", "up"}),
    ],
)  # fmt: skip
def test_names_are_read_from_promql(expression: str, names: set[str]) -> None:
    assert metric_names(expression) == names


@pytest.mark.parametrize("rule", rules("record"), ids=lambda rule: rule["record"])
def test_recording_rules_name_only_what_exists(rule: dict[str, str]) -> None:
    assert metric_names(rule["expr"]) <= known_names()


def test_promtool_accepts_the_configuration() -> None:
    config = str(DEPLOY / "prometheus.yml")
    done = subprocess.run([program("promtool"), "check", "config", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted((DEPLOY / "tests").glob("*.yml")), ids=lambda file: file.stem)
def test_the_rules_pass_their_unit_tests(file: object) -> None:
    done = subprocess.run([program("promtool"), "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_default_target_is_the_default_endpoint() -> None:
    (group,) = yaml.safe_load((DEPLOY / "targets" / "workers.yml").read_text())
    settings = Settings().metrics
    assert group["targets"] == [f"{settings.host}:{settings.port}"]


def test_the_exposition_is_clean(metrics_port: int) -> None:
    """promtool lints names, units, help and types."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=30) as answer:
        text = answer.read()
    done = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_recorded_series_have_values(prometheus: Prometheus) -> None:
    values = {rule["record"]: prometheus.values(rule["expr"]) for rule in rules("record")}
    assert {name for name, found in values.items() if not found or any(value != value for value in found)} == set()
