"""How the dashboard's panels look: one function makes a panel, small ones change it."""

from __future__ import annotations

from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
BY_STAGE = 'stage=~"$stage"'
GREEN, ORANGE, RED, BLUE = "semi-dark-green", "semi-dark-orange", "semi-dark-red", "semi-dark-blue"
COLOURS = {
    "accepted": GREEN, "keep": GREEN, "ok": GREEN, "done": GREEN,
    "rejected": ORANGE, "reject": ORANGE, "retry": ORANGE, "defer": BLUE,
    "failed": RED, "dead_letter": RED,
}  # fmt: skip
"""A word has the same colour in every panel."""

Query = tuple[str, str]
"""An expression, and the legend (`{{stage}}`)."""


def panel(title: str, kind: str, unit: str, text: str, *queries: Query, width: int = 8, **more: Any) -> dict[str, Any]:
    """One panel. `unit` is Grafana's name of it; `text` is the help behind the (i); `more` goes to `options`."""
    instant = kind in ("stat", "bargauge", "table")
    targets = [
        {
            "refId": chr(ord("A") + at),
            "datasource": DATASOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
            "format": "heatmap" if kind == "heatmap" else "table" if kind == "table" else "time_series",
        }
        for at, (expression, legend) in enumerate(queries)
    ]
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": DATASOURCE,
        "targets": targets,
        "gridPos": {"w": width, "h": {"stat": 4, "table": 5}.get(kind, 8)},
        "fieldConfig": {"defaults": defaults(kind, unit), "overrides": overrides(queries)},
        "options": {**OPTIONS[kind], **more},
    }


def defaults(kind: str, unit: str) -> dict[str, Any]:
    """How values and lines look."""
    base: dict[str, Any] = {"unit": unit, "min": 0, "color": {"mode": "palette-classic"}}
    if unit == "percentunit":
        base["max"] = 1
    if kind == "timeseries":
        base["custom"] = {"lineWidth": 2, "fillOpacity": 12, "showPoints": "never", "lineInterpolation": "monotone"}
    if kind in ("stat", "bargauge"):
        base["color"] = {"mode": "thresholds"}
        base["thresholds"] = {"mode": "absolute", "steps": [{"color": BLUE, "value": None}]}
        base["noValue"] = "–"
    return base


def overrides(queries: tuple[Query, ...]) -> list[dict[str, Any]]:
    """The fixed colours of words, where the legend is made of such words."""
    if not any(legend in ("{{outcome}}", "{{verdict}}", "{{status}}") for _, legend in queries):
        return []
    return [
        {
            "matcher": {"id": "byName", "options": word},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for word, colour in COLOURS.items()
    ]


OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull"], "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "value",
        "reduceOptions": {"calcs": ["lastNotNull"]},
    },
    "bargauge": {
        "displayMode": "gradient",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"]},
        "minVizHeight": 16,
    },
    "heatmap": {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": "Viridis"},
        "yAxis": {"axisPlacement": "left"},
    },
    "table": {"showHeader": True},
}


def stacked(one: dict[str, Any]) -> dict[str, Any]:
    """The same time series, stacked."""
    one["fieldConfig"]["defaults"]["custom"] |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    return one


def warned(one: dict[str, Any], *steps: tuple[float, str]) -> dict[str, Any]:
    """The same panel with colours from these values on; the first colour is the one below them all."""
    first = {"color": GREEN, "value": None}
    one["fieldConfig"]["defaults"]["thresholds"]["steps"] = [first, *({"color": c, "value": v} for v, c in steps)]
    return one


def quantiles(metric: str, by: str = "") -> tuple[Query, Query]:
    """The median and the 99th percentile of a histogram, for each `by`."""
    labels = f"{by}, le" if by else "le"
    where = f"{{{BY_STAGE}}}" if by == "stage" else ""
    legend = f" {{{{{by}}}}}" if by else ""
    rate = f"sum by ({labels}) (rate({metric}_bucket{where}[$__rate_interval]))"
    return (f"histogram_quantile(0.5, {rate})", f"p50{legend}"), (f"histogram_quantile(0.99, {rate})", f"p99{legend}")


def rate_by(metric: str, labels: str, where: str = "") -> Query:
    """The rate of a counter a second, by labels."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in labels.split(","))
    return f"sum by ({labels}) (rate({metric}{where}[$__rate_interval]))", legend
