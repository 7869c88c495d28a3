"""The dashboard: sound JSON, true to its source, and every panel shows something on a real Prometheus."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.prometheus_process import READY_WITHIN_S, Prometheus, metric_names
from tests.deploy.test_prometheus import exposed, known_names
from tests.house import ROOT

GRAFANA = ROOT / "deploy" / "grafana"
FILE = GRAFANA / "dashboards" / "vta_stream.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES = {"$__rate_interval": "10s", "$__range": "10m", "$stage": ".+", "$score": "clip_match"}


def expressions() -> list[tuple[str, str]]:
    """(panel, expression) of every query, with the variables filled in."""
    found = []
    for panel in PANELS:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            found.append((panel["title"], text))
    return found


def test_the_file_is_what_its_source_makes(tmp_path: Path) -> None:
    made = tmp_path / "dashboard.json"
    subprocess.run([sys.executable, str(GRAFANA / "dashboard.py"), str(made)], check=True)
    assert made.read_text(encoding="utf-8") == FILE.read_text(encoding="utf-8"), "run: make docs"


def test_its_link_stays() -> None:
    """People keep links and Grafana replaces by uid; a schema of the future would be refused."""
    assert DASHBOARD["uid"] == "vta-stream"
    assert 39 <= DASHBOARD["schemaVersion"] <= 42


def test_panels_have_ids_and_places_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in itertools.combinations((panel["gridPos"] for panel in PANELS), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert all(panel["gridPos"]["x"] >= 0 and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)


def test_every_row_is_filled_from_edge_to_edge() -> None:
    widths: dict[int, int] = {}
    for panel in PANELS:
        widths[panel["gridPos"]["y"]] = widths.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert {y: width for y, width in widths.items() if width != 24} == {}


def test_variables_that_are_used_are_defined() -> None:
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(PANELS)))
    assert used == defined


def test_panels_name_only_what_exists() -> None:
    unknown = {title: metric_names(text) - known_names() for title, text in expressions()}
    assert {title: names for title, names in unknown.items() if names} == {}


def test_every_metric_is_shown_or_alerted_on() -> None:
    """A metric that nobody looks at is either missing here, or not worth having."""
    from tests.deploy.prometheus_process import rules

    texts = [text for _, text in expressions()] + [rule["expr"] for kind in ("record", "alert") for rule in rules(kind)]
    read = {name for text in texts for name in metric_names(text)}
    ours = {name for name in exposed() if name.startswith("vta_")}
    unread = {name for name in ours if not {name, re.sub(r"_(sum|count|bucket)$", "_bucket", name)} & read}
    assert unread == set()


def test_every_panel_shows_something(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    empty = dict.fromkeys(expressions())
    while empty and time.monotonic() < deadline:
        empty = {key: values for key in empty if not (values := prometheus.values(key[1])) or _none_is_a_number(values)}
        time.sleep(0.2)
    assert empty == {}


def _none_is_a_number(values: list[float]) -> bool:
    return all(value != value for value in values)


def test_every_legend_names_a_label_that_is_there(prometheus: Prometheus) -> None:
    wrong = []
    for panel in PANELS:
        for target in panel.get("targets", ()):
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            series = prometheus.get("query", query=text)["result"]
            wrong += [(panel["title"], wanted) for one in series if not wanted <= one["metric"].keys()]
    assert wrong == []


@pytest.mark.parametrize("variable", [one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"])
def test_the_drop_downs_fill(variable: dict[str, Any], prometheus: Prometheus) -> None:
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
    assert asked is not None
    assert prometheus.get(f"label/{asked[2]}/values", match=asked[1]) != []


def test_the_provisioning_names_what_the_dashboard_wants() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    scrape = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert (source["type"], source["jsonData"]["timeInterval"]) == ("prometheus", scrape)
