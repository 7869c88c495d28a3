"""The source of dashboards/vta_stream.json; `make docs` writes it. Change panels here, not in the JSON.

Where a panel stands follows from the order, so that rows stay aligned.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from panels import BY_STAGE, DATASOURCE, ORANGE, RED, panel, quantiles, rate_by, stacked, warned

FILE = Path(__file__).parent / "dashboards" / "vta_stream.json"
STAGES = ("download", "transcribe", "segment", "score", "caption", "embed", "store")


def overview() -> list[dict[str, Any]]:
    """The line at the top: is it well?"""
    day = "[24h]"
    return [
        panel("Workers", "stat", "none", "Worker processes that answer.", ('sum(up{job="vta-stream"})', ""), width=3),
        panel("Videos done, 24 h", "stat", "short", "Videos whose last clip is stored.",
              (f'sum(increase(vta_videos_total{{status="done"}}{day}))', ""), width=4),
        panel("Clips accepted, 24 h", "stat", "short", "Clips that became samples.",
              (f'sum(increase(vta_clips_total{{verdict="accepted"}}{day}))', ""), width=4),
        panel("Accepted", "stat", "percentunit", "Share of the clips of the last hour that all filters kept.",
              ("vta_clips_accepted:ratio1h", ""), width=3),
        warned(panel("Time to drain", "stat", "s", "The slowest stage's backlog at its present speed.",
                     ("max(stage:vta_time_to_drain_seconds:estimate)", ""), width=4), (3600, ORANGE), (21600, RED)),
        warned(panel("Dead letters, 24 h", "stat", "short", "Inputs that ended with an error.",
                     (f"sum(increase(vta_dead_letters_total{day}))", ""), width=3), (1, ORANGE)),
        warned(panel("Visible after", "stat", "s", "99 of 100 accepted clips are visible rows within this time.",
                     ("vta_accepted_to_visible_seconds:p99_5m", ""), width=3), (5, ORANGE), (30, RED)),
    ]  # fmt: skip


def funnel() -> list[dict[str, Any]]:
    """What went in, and what is left of it at each step, over the chosen time."""
    steps = [
        (f'sum(increase(vta_messages_total{{stage="{stage}", outcome="ok"}}[$__range]))', stage) for stage in STAGES
    ]
    ends = [
        ('sum(increase(vta_clips_total{verdict="accepted"}[$__range]))', "clips accepted"),
        ('sum(increase(vta_clips_total{verdict="rejected"}[$__range]))', "clips rejected"),
        ('sum(increase(vta_videos_total{status="failed"}[$__range]))', "videos failed"),
    ]
    return [
        panel("Messages through each stage", "bargauge", "short", "Finished well, over the chosen time. Download to "
              "segment count videos, what follows counts clips.", *steps, width=12),
        panel("What came of it", "bargauge", "short", "Stored, over the chosen time.", *ends, width=6),
        stacked(panel("Clips", "timeseries", "cps", "Clips stored a second.",
                      rate_by("vta_clips_total", "verdict"), width=6)),
    ]  # fmt: skip


def throughput() -> list[dict[str, Any]]:
    """How much goes through, and how long it takes."""
    return [
        panel("Messages finished", "timeseries", "mps", "For good: well, or as dead letters.",
              (f"stage:vta_messages_ended:rate5m{{{BY_STAGE}}}", "{{stage}}")),
        panel("Media", "timeseries", "none", "Seconds of video a second: 10 is ten times as fast as watching.",
              rate_by("vta_media_seconds_total", "step")),
        panel("Downloads", "timeseries", "Bps", "Media fetched.", rate_by("vta_download_bytes_total", "source")),
        panel("Time of one batch", "timeseries", "s", "Median and 99th percentile.",
              *quantiles("vta_stage_duration_seconds", "stage")),
        panel("In work", "timeseries", "none", "Messages that a stage works on now.",
              (f"sum by (stage) (vta_in_progress_messages{{{BY_STAGE}}})", "{{stage}}")),
        panel("Waiting for a slot", "timeseries", "none", "Taken from Kafka, not begun.",
              (f"sum by (stage) (vta_queue_depth_messages{{{BY_STAGE}}})", "{{stage}}")),
    ]  # fmt: skip


def lag() -> list[dict[str, Any]]:
    """Which stage is behind, and for how long."""
    return [
        panel("Lag in messages", "timeseries", "short", "Behind the end of the log.",
              (f"stage:vta_lag_messages:sum{{{BY_STAGE}}}", "{{stage}}")),
        panel("Lag in time", "timeseries", "s", "Age of the oldest message that is not acknowledged.",
              (f"max by (stage) (vta_lag_seconds{{{BY_STAGE}}})", "{{stage}}")),
        panel("Time to drain", "timeseries", "s", "The backlog at the present speed, if nothing new came in.",
              (f"stage:vta_time_to_drain_seconds:estimate{{{BY_STAGE}}}", "{{stage}}")),
        panel("Oldest in work", "timeseries", "s", "A message that grows old here is stuck; /healthz names it.",
              (f"max by (stage) (vta_oldest_in_progress_seconds{{{BY_STAGE}}})", "{{stage}}"), width=12),
        panel("Rebalances", "timeseries", "short", "Times the partitions were dealt anew in 15 minutes.",
              (f"sum by (stage) (increase(vta_rebalances_total{{{BY_STAGE}}}[15m]))", "{{stage}}"), width=12),
    ]  # fmt: skip


def quality() -> list[dict[str, Any]]:
    """What the filters let through, and the scores that they look at."""
    buckets = 'sum by (le) (increase(vta_score_bucket{score="$score"}[$__rate_interval]))'
    by_score = "sum by (score, le) (rate(vta_score_bucket[1h]))"
    return [
        panel("Rejected by filter", "bargauge", "percentunit", "Share of its verdicts of the last hour. All filters "
              "see all clips, so these do not add up.", ("sort_desc(filter:vta_rejected:ratio1h)", "{{filter}}")),
        panel("Rejections", "timeseries", "cps", "Clips rejected a second; one clip may be rejected by many filters.",
              rate_by("vta_filter_verdicts_total", "filter", '{verdict="reject"}')),
        panel("Verdicts", "timeseries", "cps", "All verdicts a second.",
              rate_by("vta_filter_verdicts_total", "verdict")),
        panel("Score: $score", "heatmap", "short", "How the chosen score is distributed.",
              (buckets, "{{le}}"), width=12),
        panel("Median scores", "timeseries", "none", "A sudden step means another kind of video, or a broken score.",
              (f"histogram_quantile(0.5, {by_score})", "{{score}}"), width=6),
        panel("Measurements that failed", "timeseries", "percentunit", "Share of the last hour.",
              ("score:vta_score_failures:ratio1h", "{{score}}"), width=6),
    ]  # fmt: skip


def failures() -> list[dict[str, Any]]:
    """What did not work at the first time, or at all."""
    where = f"{{{BY_STAGE}}}"
    return [
        stacked(panel("Outcomes", "timeseries", "mps", "How messages end.",
                      rate_by("vta_messages_total", "outcome", where))),
        stacked(panel("Retries", "timeseries", "mps", "Sent to the retries topics, by reason.",
                      rate_by("vta_retries_total", "stage, reason", where))),
        panel("Waiting to be tried again", "timeseries", "short", "In the retries topics; most are not due yet.",
              (f'sum by (stage) (vta_lag_messages{{{BY_STAGE}, topic=~".+[.]retries"}})', "{{stage}}")),
        stacked(panel("Dead letters", "timeseries", "mps", "By reason; `vta-stream dead-letters show` explains each.",
                      rate_by("vta_dead_letters_total", "stage, reason", where), width=12)),
        stacked(panel("Child processes", "timeseries", "ops", "How they ended, by kind of work.",
                      rate_by("vta_child_exits_total", "work, how"), width=12)),
    ]  # fmt: skip


def store() -> list[dict[str, Any]]:
    """The dataset's side."""
    return [
        panel("Commits", "timeseries", "ops", "Transactions of the dataset.",
              rate_by("vta_store_commits_total", "outcome"), width=6),
        panel("Time of a commit", "timeseries", "s", "", *quantiles("vta_store_commit_duration_seconds"), width=6),
        panel("Accepted to visible", "timeseries", "s", "From the last verdict to the row that readers see.",
              *quantiles("vta_accepted_to_visible_seconds"), width=6),
        panel("Rows", "timeseries", "rowsps", "Rows added, by table.",
              rate_by("vta_store_rows_total", "table"), width=6),
        panel("Shard bytes", "timeseries", "Bps", "Appended, by layout.",
              rate_by("vta_shard_bytes_total", "layout")),
        panel("Shards sealed", "timeseries", "short", "In the last hour, by layout.",
              ("sum by (layout) (increase(vta_shards_sealed_total[1h]))", "{{layout}}")),
        panel("Repeats", "timeseries", "mps", "Delivered again and skipped: by offset, or by id.",
              rate_by("vta_store_repeats_total", "guard")),
    ]  # fmt: skip


def resources() -> list[dict[str, Any]]:
    """The machines."""
    job = '{job="vta-stream"}'
    return [
        panel("Memory", "timeseries", "bytes", "Resident, without child processes.",
              (f"process_resident_memory_bytes{job}", "{{instance}}"), width=6),
        panel("CPU", "timeseries", "none", "Cores in use, without child processes.",
              (f"rate(process_cpu_seconds_total{job}[$__rate_interval])", "{{instance}}"), width=6),
        panel("Disk free", "timeseries", "bytes", "Under the data folder.",
              ("min by (instance) (vta_disk_free_bytes)", "{{instance}}"), width=6),
        panel("Media in progress", "timeseries", "bytes", "Downloads pause at media_store.limit_bytes.",
              ("max by (instance) (vta_media_store_bytes)", "{{instance}}"), width=6),
        panel("Downloads paused", "timeseries", "bool_yes_no", "Waiting for room.",
              ("max by (instance) (vta_media_store_paused)", "{{instance}}"), width=6),
        panel("Event loop", "timeseries", "s", "How late it runs a timer, 99th percentile.",
              ("instance:vta_event_loop_lag_seconds:p99_5m", "{{instance}}"), width=6),
        panel("Builds", "table", "none", "Which worker runs what.", ("vta_build_info", ""), width=12),
    ]  # fmt: skip


ROWS = {
    "": overview, "Funnel": funnel, "Throughput": throughput, "Lag": lag, "Quality": quality, "Failures": failures,
    "Dataset": store, "Resources": resources,
}  # fmt: skip


def laid_out() -> list[dict[str, Any]]:
    """All panels with ids and places: left to right, 24 columns wide."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, make in ROWS.items():
        if title:
            row = {"type": "row", "title": title, "collapsed": False, "panels": []}
            panels.append({**row, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
            y += 1
        x = height = 0
        for one in make():
            place = one["gridPos"]
            if x + place["w"] > 24:
                x, y, height = 0, y + height, 0
            place |= {"x": x, "y": y}
            x, height = x + place["w"], max(height, place["h"])
            panels.append(one)
        y += height
    return [{"id": at, **one} for at, one in enumerate(panels, 1)]


def variable(name: str, label: str, query: str, *, many: bool) -> dict[str, Any]:
    """A drop-down filled from the values of a label."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "current": {"text": "All", "value": "$__all"} if many else {},
    }


def dashboard() -> dict[str, Any]:
    """The whole dashboard, as Grafana 12 writes it."""
    return {
        "uid": "vta-stream",
        "title": "vta_stream",
        "description": "From video IDs to a dataset: funnel, throughput, lag, quality, failures, dataset, resources.",
        "tags": ["vta-stream"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus", "current": {}},
                variable("stage", "Stage", "label_values(vta_messages_total, stage)", many=True),
                variable("score", "Score", "label_values(vta_score_count, score)", many=False),
            ]
        },
        "panels": laid_out(),
    }


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    file.write_text(json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
