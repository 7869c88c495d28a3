"""deploy/kafka/kafka.sh: start, stop, start again; and what it says where something is missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.kafka_process import SCRIPT, KafkaProcess, create_topics

pytestmark = pytest.mark.kafka


def _kcat(*arguments: str, text: str = "") -> str:
    done = subprocess.run(["kcat", *arguments], input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _script(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_data_outlive_a_kill_and_a_restart(own_kafka: KafkaProcess) -> None:
    create_topics(own_kafka.address, "kept")
    _kcat("-P", "-b", own_kafka.address, "-t", "kept", text="one\n")
    own_kafka.kill()
    own_kafka.start()
    assert _kcat("-C", "-b", own_kafka.address, "-t", "kept", "-e", "-q") == "one\n"


def test_a_second_start_and_a_second_stop_are_harmless(own_kafka: KafkaProcess) -> None:
    own_kafka.start()
    own_kafka.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", own_kafka.port), timeout=2)
    own_kafka.stop()
    done = _script("status", VTA_KAFKA_DIR=str(own_kafka.folder), VTA_KAFKA_PORT=str(own_kafka.port))
    assert done.returncode == 1
    assert "make kafka" in done.stderr


def test_a_taken_port_is_named(own_kafka: KafkaProcess, tmp_path: Path) -> None:
    done = _script("start", VTA_KAFKA_DIR=str(tmp_path / "other"), VTA_KAFKA_PORT=str(own_kafka.port))
    assert done.returncode == 1
    assert f"port {own_kafka.port} is taken" in done.stderr


def test_missing_java_names_the_debian_packages(tmp_path: Path) -> None:
    for name in ("bash", "env", "dirname", "cat", "tr", "realpath", "mkdir", "flock", "head", "sed"):
        (tmp_path / name).symlink_to(shutil.which(name) or pytest.fail(name))
    done = _script("start", PATH=str(tmp_path), VTA_KAFKA_DIR=str(tmp_path / "kafka"))
    assert done.returncode == 1
    assert "apt-get install openjdk-17-jre-headless maven" in done.stderr


def test_a_typo_makes_no_topic(kafka: str, topic_prefix: str) -> None:
    subprocess.run(
        ["kcat", "-P", "-b", kafka, "-t", f"{topic_prefix}.typo", "-X", "message.timeout.ms=3000"],
        input=b"x\n",
        capture_output=True,
        check=False,
    )
    assert topic_prefix not in _kcat("-L", "-b", kafka)


def test_it_ends_when_the_process_that_wanted_it_has_gone(kafka_possible: None, tmp_path: Path) -> None:
    """So a test run that is killed leaves no broker behind."""
    with subprocess.Popen(["sleep", "600"]) as parent:
        broker = KafkaProcess.new(tmp_path / "kafka", parent=parent.pid)
        broker.start()
        parent.kill()
    end_s = time.monotonic() + 60
    while (
        done := _script("status", VTA_KAFKA_DIR=str(broker.folder), VTA_KAFKA_PORT=str(broker.port))
    ).returncode == 0:
        assert time.monotonic() < end_s
        time.sleep(0.2)
    broker.stop()
    assert "make kafka" in done.stderr or "does not answer" in done.stderr
