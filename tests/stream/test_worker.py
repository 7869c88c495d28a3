"""The delivery contract on a real Kafka, with all seven agents."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.kafka_process import create_topics
from tests.stream import chain
from tests.stream.chain_running import committed, healthz_says, letters, running, until
from vta_stream.ports import TerminalError
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker
from vta_stream.stream.slots import WorkerError

pytestmark = pytest.mark.kafka


async def test_all_arrive_and_all_is_acknowledged(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    out = tmp_path / "out"
    videos = [f"v{number}" for number in range(150)] + ["flaky-1", "defer-1"]
    await chain.publish(kafka, topic_prefix, chain.requests(*videos))
    stages = chain.seven(out)
    async with running(stages, kafka, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: chain.everything_of(chain.stored(out), videos), worker)
        async with aiohttp.ClientSession() as session:
            for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200)):
                async with session.get(worker.url + path) as answer:
                    assert answer.status == status
            text = await (await session.get(worker.url + "/metrics")).text()
        assert 'vta_messages_total{outcome="defer",stage="download"}' in text
        facts = json.loads((tmp_path / "data/state/worker-w1.json").read_text())
        assert (facts["url"], facts["pid"], facts["name"]) == (worker.url, os.getpid(), "w1")
    found = chain.stored(out)
    assert sorted(found["videos.done"]) == sorted(videos), "without a crash or a rebalance nothing comes twice"
    assert len(found["clips.embedded"]) == len(found["clips.rejected"]) == len(videos)
    assert found["dead-letters"] == []
    assert await committed(kafka, f"{topic_prefix}.download") == {
        f"{topic_prefix}.videos": len(videos),
        f"{topic_prefix}.download.retries": 1,
    }
    assert (await committed(kafka, f"{topic_prefix}.store"))[f"{topic_prefix}.clips.embedded"] == len(videos)
    assert all(stage.closed for stage in stages.values())
    assert not (tmp_path / "data/state/worker-w1.json").exists()


async def test_the_store_gets_each_partition_in_order(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    out = tmp_path / "out"
    videos = [f"v{number}" for number in range(60)]
    await chain.publish(kafka, topic_prefix, chain.requests(*videos))
    async with running(chain.seven(out), kafka, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: chain.everything_of(chain.stored(out), videos), worker)
    for topic in ("clips.embedded", "clips.rejected", "videos.done"):
        for partition in (0, 1):
            offsets = [offset for number, offset in chain.lines_of(topic, out) if number == partition]
            assert offsets == list(range(len(offsets)))


async def test_what_cannot_work_is_a_dead_letter_and_the_rest_goes_on(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    chain.make_topics(kafka, topic_prefix)
    out = tmp_path / "out"
    good = [f"v{number}" for number in range(10)]
    values = chain.requests(*good[:5], "dead-1", "bug-1", *good[5:])
    await chain.publish(kafka, topic_prefix, [*values, b"\xff no request"])
    async with running(chain.seven(out), kafka, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: chain.everything_of(chain.stored(out), good), worker)
        found = {(letter.stage, letter.reason): letter for letter in await letters(kafka, topic_prefix, 4)}
        await until(lambda: len(chain.stored(out)["dead-letters"]) == 4, worker)
    assert set(found) == {("download", "private"), ("download", "bad_message"), ("score", "unknown")}
    private = found["download", "private"]
    assert private.value.encode() == chain.requests("dead-1")[0]
    assert (private.kind, private.video_id, private.topic, private.attempt) == ("terminal", "dead-1", "videos", 1)
    junk = found["download", "bad_message"]
    assert (junk.value, junk.value_base64, junk.video_id) == ("/yBubyByZXF1ZXN0", True, None)
    bug = found["score", "unknown"]
    assert bug.kind == "unknown"
    assert bug.traceback is not None
    assert "ValueError: a defect" in bug.traceback
    assert bug.clip_id is not None
    assert bug.clip_id.startswith("bug-1_")


async def test_transient_too_often_is_a_dead_letter(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    await chain.publish(kafka, topic_prefix, chain.requests("flaky-1"))
    changes = {"retry": {"attempts_max": 2}}
    async with running(chain.seven(tmp_path / "out"), kafka, topic_prefix, tmp_path / "data", **changes):
        (letter,) = await letters(kafka, topic_prefix, 1)
    assert (letter.kind, letter.reason, letter.attempt) == ("exhausted", "gpu_busy", 2)
    assert letter.topic == "videos.downloaded"


async def test_a_stage_that_cannot_load_stops_the_start(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    stages = chain.seven(tmp_path / "out")

    async def setup() -> None:
        raise TerminalError("no_model", "the model ViT-B-32 is not there; get it with: …")

    stages["embed"].setup = setup  # type: ignore[method-assign]
    worker = Worker(stages, chain.make_settings(kafka, topic_prefix, tmp_path), BrokerConnection(kafka))
    with pytest.raises(WorkerError, match="embed cannot start: the model ViT-B-32 is not there"):
        await worker.start()
    assert all(stage.closed for stage in stages.values())


async def test_missing_topics_stop_the_start(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    create_topics(kafka, f"{topic_prefix}.videos")
    worker = Worker(chain.seven(tmp_path), chain.make_settings(kafka, topic_prefix, tmp_path), BrokerConnection(kafka))
    with pytest.raises(WorkerError, match=r"clips\.scored.*topics apply"):
        await worker.start()


async def test_stuck_work_is_named(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    stages = chain.seven(tmp_path / "out")

    async def hang(delivery: Any) -> Any:
        await asyncio.Event().wait()

    stages["caption"].work = hang  # type: ignore[method-assign]
    await chain.publish(kafka, topic_prefix, chain.requests("v1"))
    changes = {"worker": {"stuck_after_s": 0.2, "shutdown_grace_s": 0.2}}
    async with running(stages, kafka, topic_prefix, tmp_path / "data", **changes) as worker:
        assert "v1_" in await healthz_says(worker.url, "caption is stuck: clips.scored/")
