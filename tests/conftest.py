"""Fixtures for all tests: the real Kafka, one a run; PostgreSQL and S3, one a process; the shared media."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import kafka_process, postgres_process, s3_process
from tests.kafka_process import KafkaProcess
from tests.postgres_process import PostgresProcess
from tests.s3_process import S3Process

ROOT = Path(__file__).parents[1]
RUN_FOLDER = pytest.StashKey[Path]()
OWNER = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """One folder a run, made by the process that outlives all xdist workers."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[OWNER] = worker["vta_owner"] if worker else os.getpid()
    config.stash[RUN_FOLDER] = Path(worker["vta_run_folder"] if worker else tempfile.mkdtemp(prefix="vta-tests-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each xdist worker whose run it is part of."""
    node.workerinput["vta_run_folder"] = str(node.config.stash[RUN_FOLDER])
    node.workerinput["vta_owner"] = node.config.stash[OWNER]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the run's Kafka, whoever started it."""
    if config.stash[OWNER] != os.getpid():
        return
    folder = config.stash[RUN_FOLDER]
    if (folder / "kafka.json").exists():
        _shared_kafka(folder).stop()
    shutil.rmtree(folder, ignore_errors=True)


def _shared_kafka(folder: Path) -> KafkaProcess:
    facts = json.loads((folder / "kafka.json").read_text())
    return KafkaProcess(folder / "kafka", **facts)


@pytest.fixture(scope="session")
def kafka_possible() -> None:
    """Skips where Java or Maven is missing; with CI=true that is a failure instead."""
    _skip_for(kafka_process.missing())


def _skip_for(reason: str | None) -> None:
    if reason and os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason}; in CI that is a failure")
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(kafka_possible: None, pytestconfig: pytest.Config) -> str:
    """host:port of a real Kafka, started once for all xdist workers and stopped at the end of the run."""
    folder = pytestconfig.stash[RUN_FOLDER]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "kafka.json").exists():
            broker = KafkaProcess.new(folder / "kafka", parent=pytestconfig.stash[OWNER])
            broker.start()
            facts = {"port": broker.port, "controller_port": broker.controller_port, "parent": broker.parent}
            (folder / "kafka.json").write_text(json.dumps(facts))
        return _shared_kafka(folder).address


@pytest.fixture
def own_kafka(kafka_possible: None, tmp_path: Path) -> Iterator[KafkaProcess]:
    """A started Kafka of this test alone, for tests that stop, kill or restart the broker."""
    broker = KafkaProcess.new(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    """A real PostgreSQL, one a test process; take a database of your own. Skips, or in CI fails, without one."""
    _skip_for(postgres_process.missing())
    server = PostgresProcess()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def own_postgres() -> Iterator[PostgresProcess]:
    """A started PostgreSQL of this test alone, for tests that stop or restart it."""
    _skip_for(postgres_process.missing())
    server = PostgresProcess()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def _s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Process]:
    _skip_for(s3_process.missing())
    server = S3Process.new(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(_s3_server: S3Process, monkeypatch: pytest.MonkeyPatch) -> S3Process:
    """A real S3 server, one a test process, its keys in the environment; take a bucket of your own."""
    for name, value in s3_process.KEYS.items():
        monkeypatch.setenv(name, value)
    return _s3_server


@pytest.fixture
def own_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Process]:
    """A started S3 server of this test alone, for tests that stop or freeze it."""
    _skip_for(s3_process.missing())
    for name, value in s3_process.KEYS.items():
        monkeypatch.setenv(name, value)
    server = S3Process.new(tmp_path / "s3")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and consumer groups that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real media files beside the repository; skips where it is missing."""
    folder = (ROOT / "../shared/media").resolve()
    if not (folder / "MANIFEST.tsv").exists():
        pytest.skip("the real media files (../shared/media) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained CLIP in open_clip's format."""
    from tests.models.tiny_open_clip import make_tiny_clip

    return make_tiny_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture(scope="session")
def tiny_coca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained CoCa in open_clip's format."""
    from tests.models.tiny_open_clip import make_tiny_coca

    return make_tiny_coca(tmp_path_factory.mktemp("models") / "tiny-coca")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a Kafka is marked so, whether its author thought of it or not."""
    for item in items:
        if {"kafka", "own_kafka"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Iterator[None]:
    """The last lines say how many Kafka tests did not run, and why."""
    yield
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "Kafka" in reason:
            reasons[reason.removeprefix("Skipped: ")] = reasons.get(reason.removeprefix("Skipped: "), 0) + 1
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} Kafka tests were skipped: {reason}", yellow=True)
