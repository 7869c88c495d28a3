"""topics list, diff and apply, as somebody types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.kafka_process import create_topics
from vta_stream.cli import main
from vta_stream.stream.contracts import contracts
from vta_stream.stream.embedded import EmbeddedBroker


def _topics(data: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(
        main, ["--data-dir", str(data), "topics", *arguments], env=environment, catch_exceptions=False
    )


def test_list_needs_no_broker(tmp_path: Path) -> None:
    done = _topics(tmp_path, "list", "--json")
    assert done.exit_code == 0
    rows = json.loads(done.stdout)
    assert [row["topic"] for row in rows] == [f"vta.{name}" for name in contracts()]
    assert _topics(tmp_path, "list").exit_code == 0


def test_diff_without_a_broker_says_how_to_get_one(tmp_path: Path) -> None:
    done = _topics(tmp_path, "diff")
    assert done.exit_code == 1
    assert "vta-stream run" in done.stderr
    assert "make kafka" in done.stderr


def test_the_embedded_broker_is_found_and_keeps_its_topics(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "state", "vta"):
        done = _topics(tmp_path, "diff")
    assert (done.exit_code, done.stdout) == (0, "The broker keeps all contracts.\n")


@pytest.mark.kafka
def test_diff_then_apply_then_nothing_is_left(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    environment = {"VTA_STREAM__KAFKA__BOOTSTRAP_SERVERS": kafka, "VTA_STREAM__KAFKA__TOPIC_PREFIX": topic_prefix}
    before = _topics(tmp_path, "diff", **environment)
    assert before.exit_code == 1
    assert f"{topic_prefix}.videos: create with partitions=" in before.stdout
    applied = _topics(tmp_path, "apply", "--json", **environment)
    assert applied.exit_code == 0
    assert len(json.loads(applied.stdout)["done"]) == len(contracts())
    after = _topics(tmp_path, "diff", "--json", **environment)
    assert (after.exit_code, json.loads(after.stdout)) == (0, [])
    assert "already" in _topics(tmp_path, "apply", **environment).stdout


@pytest.mark.kafka
def test_what_only_a_person_can_mend_is_an_error(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    environment = {"VTA_STREAM__KAFKA__BOOTSTRAP_SERVERS": kafka, "VTA_STREAM__KAFKA__TOPIC_PREFIX": topic_prefix}
    create_topics(kafka, f"{topic_prefix}.videos", partitions=20)
    done = _topics(tmp_path, "apply", **environment)
    assert done.exit_code == 1
    assert "has 20 partitions" in done.stderr
    assert f"{topic_prefix}.dead-letters: create" in done.stdout
