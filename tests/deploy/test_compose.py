"""docker-compose.yml, the Dockerfile and the example settings. There is no Docker where the tests run, so what
can be known without it is checked: references, paths, ports, pins, and that the settings are settings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from vta_stream import __version__
from vta_stream.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
ONE_SHOT = {"topics"}

KNOWN = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init", "logging", "ports",
    "restart", "security_opt", "stop_grace_period", "volumes",
}  # fmt: skip
"""Keys of the compose specification that we use, each looked up there; a typo would be passed over or refused."""


def _binds(service: dict[str, Any]) -> list[tuple[str, str]]:
    return [(volume.split(":")[0], volume.split(":")[1]) for volume in service.get("volumes", ())]


def test_it_has_the_four_services_and_their_keys_are_of_the_specification() -> None:
    assert SERVICES.keys() == {"kafka", "topics", "vta-stream", "prometheus", "grafana"}
    assert {key for service in SERVICES.values() for key in service} <= KNOWN
    assert COMPOSE.keys() <= {"name", "services", "volumes", "x-hardened"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+", tag)
    if "build" in SERVICES[name]:
        assert tag == __version__
        assert (ROOT / SERVICES[name]["build"]["dockerfile"]).exists()


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT))
def test_what_stays_up_has_a_healthcheck_and_a_named_volume_and_comes_up_again(name: str) -> None:
    service = SERVICES[name]
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
    assert service["restart"] == "unless-stopped"
    named = [source for source, _ in _binds(service) if not source.startswith(".")]
    assert named
    assert set(named) <= COMPOSE["volumes"].keys()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nobody_has_more_rights_than_needed(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_mounted_files_are_in_the_repository_and_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith(".") and source != "./videos":  # the user's own
            assert (ROOT / source).exists(), source
            assert volume.endswith(":ro")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_who_waits_waits_for_something_that_can_come(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert how["condition"] == wanted
        assert other in SERVICES


def test_every_named_volume_is_used() -> None:
    used = {source for service in SERVICES.values() for source, _ in _binds(service)}
    assert COMPOSE["volumes"].keys() <= used


def _docker_settings() -> Settings:
    text = re.sub(r"\\\n", " ", DOCKERFILE)
    pairs = dict(re.findall(r"(VTA_STREAM__\w+)=(\S+)", text))
    environment = {**pairs, **SERVICES["vta-stream"]["environment"]}
    return load_settings(ROOT / "deploy/settings/docker.yaml", environment)


def test_the_daemon_finds_kafka_and_prometheus_finds_the_daemon() -> None:
    settings = _docker_settings()
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INSIDE://{settings.kafka.bootstrap_servers}" in advertised.split(",")
    (targets,) = yaml.safe_load(next((ROOT / "deploy/prometheus/targets-compose").glob("*.yml")).read_text())
    assert targets["targets"] == [f"vta-stream:{settings.metrics.port}"]
    assert settings.metrics.host == "0.0.0.0"
    assert f"127.0.0.1:{settings.metrics.port}:{settings.metrics.port}" in SERVICES["vta-stream"]["ports"]
    assert f":{settings.metrics.port}/healthz" in SERVICES["vta-stream"]["healthcheck"]["test"][-1]


def test_what_the_daemon_keeps_lies_in_volumes() -> None:
    mounted = {target for _, target in _binds(SERVICES["vta-stream"])}
    settings = _docker_settings()
    assert str(settings.data_dir) in mounted
    assert {str(root) for root in settings.download.file_roots} <= mounted
    assert SERVICES["vta-stream"]["environment"]["VTA_STREAM_SETTINGS"] in mounted
    hub = re.search(r"HF_HOME=(\S+)", DOCKERFILE)
    assert hub is not None
    assert hub[1] in mounted


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/vta_stream.yml").read_text())[
        "providers"
    ]
    folder = {target: bind for bind, target in _binds(SERVICES["grafana"])}[provider["options"]["path"]]
    assert list((ROOT / folder).glob("*.json"))


def test_kafka_is_the_version_that_the_tests_run_on() -> None:
    tested = re.search(
        r"<artifactId>kafka_2\.13</artifactId>\s*<version>([\d.]+)<", (ROOT / "deploy/kafka/pom.xml").read_text()
    )
    assert tested is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{tested[1]}"
    environment = SERVICES["kafka"]["environment"]
    listeners = {part.partition(":")[0] for part in environment["KAFKA_LISTENERS"].split(",")}
    protocols = {part.partition(":")[0] for part in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert listeners == protocols
    assert environment["KAFKA_LOG_DIRS"] in {target for _, target in _binds(SERVICES["kafka"])}


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert "vta_stream" in copied
    for source in copied:
        assert source in allowed
        assert (ROOT / source).exists(), source


def test_the_image_runs_as_nobody_special() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert int(user) >= 1000
    worker = (ROOT / "deploy/kubernetes/worker.yaml").read_text()
    assert f"runAsUser: {user}" in worker


@pytest.mark.parametrize("file", sorted((ROOT / "deploy/settings").glob("*")), ids=lambda file: file.name)
def test_example_settings_are_settings(file: Path) -> None:
    assert load_settings(file, {}) != Settings()


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="there is no `docker compose` here",
)
def test_docker_itself_reads_it() -> None:
    done = subprocess.run(
        ["docker", "compose", "config", "--format", "json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["services"].keys() == SERVICES.keys()
