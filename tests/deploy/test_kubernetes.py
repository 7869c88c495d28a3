"""The manifests name agents, groups, topics and settings that exist."""

from __future__ import annotations

from typing import Any

import yaml

from tests.house import ROOT
from vta_stream.settings import Settings, load_settings
from vta_stream.stream.contracts import contract_of
from vta_stream.stream.records import INPUTS

DOCUMENTS = {
    document["kind"]: document
    for document in yaml.safe_load_all((ROOT / "deploy/kubernetes/worker.yaml").read_text(encoding="utf-8"))
}
POD: dict[str, Any] = DOCUMENTS["StatefulSet"]["spec"]["template"]["spec"]
(WORKER,) = POD["containers"]
AGENTS = WORKER["args"][-1].split(",")


def settings() -> Settings:
    return load_settings(None, {one["name"]: one.get("value", "pod-0") for one in WORKER["env"]})


def test_the_worker_runs_agents_that_exist() -> None:
    assert WORKER["args"][:2] == ["run", "--agents"]
    assert set(AGENTS) <= set(INPUTS) - {"store"}


def test_the_environment_is_valid_settings() -> None:
    loaded = settings()
    assert loaded.metrics.port == WORKER["ports"][0]["containerPort"]
    assert str(loaded.data_dir) == WORKER["volumeMounts"][0]["mountPath"]
    assert loaded.worker.name == "pod-0", "static membership needs the pod's own, stable name"
    assert loaded.worker.shutdown_grace_s < POD["terminationGracePeriodSeconds"]


def test_it_scales_on_everything_that_the_agents_read() -> None:
    triggers = [trigger["metadata"] for trigger in DOCUMENTS["ScaledObject"]["spec"]["triggers"]]
    prefix = settings().kafka.topic_prefix
    wanted = {
        (f"{prefix}.{agent}", f"{prefix}.{topic}") for agent in AGENTS for topic in (*INPUTS[agent], f"{agent}.retries")
    }
    assert {(one["consumerGroup"], one["topic"]) for one in triggers} == wanted
    assert {one["bootstrapServers"] for one in triggers} == {settings().kafka.bootstrap_servers}
    assert {one["offsetResetPolicy"] for one in triggers} == {"earliest"}


def test_no_replica_would_be_idle() -> None:
    partitions = max(contract_of(topic).partitions for agent in AGENTS for topic in INPUTS[agent])
    assert DOCUMENTS["ScaledObject"]["spec"]["maxReplicaCount"] <= partitions


def test_the_parts_belong_together() -> None:
    name = DOCUMENTS["StatefulSet"]["metadata"]["name"]
    assert DOCUMENTS["ScaledObject"]["spec"]["scaleTargetRef"] == {"kind": "StatefulSet", "name": name}
    assert DOCUMENTS["StatefulSet"]["spec"]["serviceName"] == DOCUMENTS["Service"]["metadata"]["name"] == name
    labels = DOCUMENTS["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert (
        labels
        == DOCUMENTS["StatefulSet"]["spec"]["selector"]["matchLabels"]
        == DOCUMENTS["Service"]["spec"]["selector"]
    )
