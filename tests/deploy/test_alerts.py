"""The alert rules: when they fire stands in deploy/prometheus/tests; here is that they are whole and can be run."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from tests.deploy.prometheus_process import DEPLOY, READY_WITHIN_S, Prometheus, metric_names, rules
from tests.deploy.test_prometheus import known_names
from tests.test_docs import untrue_call

ALERTS = rules("alert")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_names_only_what_exists(rule: dict[str, Any]) -> None:
    assert metric_names(rule["expr"]) <= known_names()


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert all(len(text) > 20 for text in rule["annotations"].values())


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_the_commands_in_an_alert_exist(rule: dict[str, Any]) -> None:
    calls = [code for code in rule["annotations"]["description"].split("`")[1::2] if code.startswith("vta-stream ")]
    words = [[word for word in call.split()[1:] if "{" not in word and '"' not in word] for call in calls]
    assert [problem for problem in map(untrue_call, words) if problem] == []


def test_every_alert_is_tested_firing_and_quiet() -> None:
    cases = yaml.safe_load((DEPLOY / "tests" / "alerts.yml").read_text())["tests"]
    for rule in ALERTS:
        own = [test for case in cases if case["name"] == rule["alert"] for test in case["promql_expr_test"]]
        assert all(f'alertname="{rule["alert"]}"' in test["expr"] for test in own)
        assert {bool(test.get("exp_samples")) for test in own} == {True, False}, rule["alert"]


def test_prometheus_evaluates_every_alert(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        groups = prometheus.get("rules", type="alert")["groups"]
        health = {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}
        if all(state != "unknown" for state, _ in health.values()):
            break
        assert time.monotonic() < deadline, health
        time.sleep(0.2)
    assert health == {rule["alert"]: ("ok", None) for rule in ALERTS}
