"""A real Prometheus watches a running daemon: every panel and alert can ask, and the daily ones get an answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.prometheus_process import Prometheus, rules, running_prometheus
from tests.deploy.test_grafana import expressions
from tests.end_to_end.daemon import Daemon, running, vta_stream, write_settings
from tests.end_to_end.drawn_videos import make_videos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def daemon(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with default settings for its commits, which has work all the while that somebody watches."""
    folder = tmp_path_factory.mktemp("watched")
    make_videos(folder / "videos", 6, seed=2, scenes_per_video=2)
    settings = write_settings(
        folder,
        tiny_models,
        download={"file_roots": [folder / "videos"]},
        filters={"clip_match": None, "caption_match": None},
    )
    with running(settings) as running_daemon:
        running_daemon.wait_ready()
        yield running_daemon


@pytest.fixture(scope="module")
def prometheus(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It began to watch before the work came, and all of it is done."""
    (worker,) = (daemon.settings.state_dir).glob("worker-*.json")
    address = json.loads(worker.read_text())["url"].removeprefix("http://")
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), [address]) as server:
        while not server.values("vta_build_info"):
            time.sleep(0.2)
        done = vta_stream(daemon.settings_file, "submit", str(daemon.settings.data_dir.parent / "videos"))
        assert done.returncode == 0, done.stderr
        daemon.until_ended(6)
        daemon.until("two scrapes after the end", lambda: server.values("sum(vta_videos_total) == 6"))
        yield server


def test_every_expression_of_the_dashboard_is_answered(prometheus: Prometheus) -> None:
    for panel, expression in expressions():
        assert prometheus.values(expression) is not None, panel


def test_every_alert_is_answered_and_none_fires_on_a_healthy_daemon(prometheus: Prometheus) -> None:
    assert prometheus.get("query", query='ALERTS{alertstate="firing"}')["result"] == []
    for rule in rules("alert"):
        assert prometheus.values(rule["expr"]) is not None


@pytest.mark.parametrize(
    "expression",
    [
        "sum(vta_messages_total{outcome='ok'}) by (stage)",
        "sum(vta_clips_total) by (verdict)",
        "sum(vta_filter_verdicts_total) by (filter)",
        "histogram_quantile(0.5, sum(vta_score_bucket) by (le, score))",
        "vta_lag_messages",
        "vta_store_commits_total{outcome='ok'}",
        "vta_shard_bytes_total",
        "vta_media_seconds_total",
        "vta_disk_free_bytes",
        "histogram_quantile(0.99, vta_event_loop_lag_seconds_bucket)",
    ],
)
def test_what_one_looks_at_daily_has_data(prometheus: Prometheus, expression: str) -> None:
    assert prometheus.values(expression)


def test_what_was_stored_is_what_was_counted(daemon: Daemon, prometheus: Prometheus) -> None:
    ((clips, accepted),) = daemon.rows("SELECT count(*), count(*) FILTER (accepted) FROM clips")
    assert prometheus.values("sum(vta_clips_total)") == [clips]
    assert prometheus.values("sum(vta_clips_total{verdict='accepted'})") == [accepted]
    assert prometheus.values("sum(vta_accepted_to_visible_seconds_count)") == [accepted]
