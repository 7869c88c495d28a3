"""The delivery contract on a real Kafka, with all seven agents."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests import builders
from tests.kafka_process import KafkaProcess, create_topics
from tests.stream import chain
from vta_stream.domain.delivery import DeadLetter
from vta_stream.ports import TerminalError
from vta_stream.stream.codec import decode, encode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker
from vta_stream.stream.slots import WorkerError

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
PATIENCE_S = 90


async def until(true: Callable[[], bool], worker: Worker | None = None) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.05)
            if worker is not None:
                for agent in worker._agents:
                    if agent.shell.failed.done():
                        agent.shell.failed.result()


@asynccontextmanager
async def running(
    stages: dict[str, Any], address: str, prefix: str, folder: Path, **changes: Any
) -> AsyncIterator[Worker]:
    worker = Worker(stages, chain.make_settings(address, prefix, folder, **changes), BrokerConnection(address))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@contextmanager
def process(address: str, prefix: str, folder: Path, out: Path, name: str = "w1") -> Iterator[subprocess.Popen[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.stream.chain", address, prefix, str(folder), str(out), name]
    with (folder / f"{name}.log").open("a") as log:
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()


async def letters(address: str, prefix: str, count: int) -> list[DeadLetter]:
    from aiokafka import AIOKafkaConsumer

    found: list[DeadLetter] = []
    consumer = AIOKafkaConsumer(f"{prefix}.dead-letters", bootstrap_servers=address, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode("dead-letters", record.value) for record in records]
    return found


async def committed(address: str, group: str) -> dict[str, int]:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    totals: dict[str, int] = {}
    for partition, offset in offsets.items():
        totals[partition.topic] = totals.get(partition.topic, 0) + offset.offset
    return totals


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


@pytest.mark.slow
async def test_killed_workers_lose_nothing(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    out = tmp_path / "out"
    videos = [f"v{number}" for number in range(300)]
    await chain.publish(kafka, topic_prefix, chain.requests(*videos))
    for kills in range(2):
        with process(kafka, topic_prefix, tmp_path / "data", out) as child:
            await until(lambda kills=kills: len(chain.stored(out)["clips.rejected"]) > 20 + 80 * kills)  # type: ignore[misc]
            child.kill()
    with process(kafka, topic_prefix, tmp_path / "data", out) as child:
        await until(lambda: chain.everything_of(chain.stored(out), videos))
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(child.wait) == 0
    assert chain.stored(out)["dead-letters"] == []


@pytest.mark.slow
async def test_what_kills_the_process_ends_in_the_dead_letters(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    out = tmp_path / "out"
    good = [f"v{number}" for number in range(40)]
    poison = builders.clip("poison-1")
    await chain.publish(kafka, topic_prefix, [encode("clips.segmented", poison)], "clips.segmented")
    await chain.publish(kafka, topic_prefix, chain.requests(*good))
    deaths = 0
    while True:
        with process(kafka, topic_prefix, tmp_path / "data", out) as child:
            await until(
                lambda child=child: (  # type: ignore[misc]
                    child.poll() is not None
                    or (chain.everything_of(chain.stored(out), good) and chain.stored(out)["dead-letters"])
                )
            )
            if child.poll() is None:
                break
            assert child.returncode == 9
            deaths += 1
            assert deaths <= 3
    assert deaths == 3
    (letter,) = await letters(kafka, topic_prefix, 1)
    assert (letter.kind, letter.reason, letter.clip_id) == ("unknown", "crash", poison.clip_id)


async def test_a_second_worker_takes_over_half_and_gives_it_back(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    out, other_out = tmp_path / "out", tmp_path / "other"
    first = chain.seven(out)
    hold = asyncio.Event()
    begun: list[str] = []
    ended: set[str] = set()

    async def slow(delivery: Any) -> Any:
        begun.append(delivery.record.video_id)
        await hold.wait()
        ended.add(delivery.record.video_id)
        return ()

    first["download"].work = slow  # type: ignore[method-assign]
    videos = [f"v{number}" for number in range(8)]
    await chain.publish(kafka, topic_prefix, chain.requests(*videos))
    async with running({"download": first["download"]}, kafka, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: len(begun) == 4, worker)
        (agent,) = worker._agents
        assert len([p for p in agent.assigned if p.topic.endswith(".videos")]) == 2
        second = chain.seven(other_out)
        changes = {"worker": {"name": "w2"}}
        async with running({"download": second["download"]}, kafka, topic_prefix, tmp_path / "data", **changes):
            await until(lambda: len([p for p in agent.assigned if p.topic.endswith(".videos")]) == 1, worker)
            (kept,) = [p for p in agent.assigned if p.topic.endswith(".videos")]
            assert {p.topic for p in agent.shell.acks.partitions if p not in agent.assigned} == set()
            await until(lambda: bool(second["download"].calls), worker)
            hold.set()
            by_second = second["download"].calls
            await until(lambda: ended | {call[0] for call in by_second} == set(videos), worker)
            await until(lambda: agent.shell.acks.in_work == 0 and agent.shell.acks.next_offset(kept) is not None)
        assert len(begun) == len(set(begun)), "what was in work and stayed ours was joined, not begun again"
    assert sum((await committed(kafka, f"{topic_prefix}.download")).values()) == len(videos)


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


async def test_a_second_worker_of_the_same_name_is_refused(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    async with running(chain.seven(tmp_path / "out"), kafka, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: worker.ready, worker)
        same_machine = Worker(
            chain.seven(tmp_path), chain.make_settings(kafka, topic_prefix, tmp_path / "data"), BrokerConnection(kafka)
        )
        with pytest.raises(WorkerError, match=rf"another live process is the worker 'w1' \(process {os.getpid()}\)"):
            await same_machine.start()
        elsewhere = Worker(
            chain.seven(tmp_path),
            chain.make_settings(kafka, topic_prefix, tmp_path / "elsewhere", kafka={"session_timeout_s": 6}),
            BrokerConnection(kafka),
        )
        with pytest.raises(WorkerError, match="another live worker is called 'w1'"):
            await elsewhere.start()
        assert worker.ready


async def test_stuck_work_is_named(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chain.make_topics(kafka, topic_prefix)
    stages = chain.seven(tmp_path / "out")

    async def hang(delivery: Any) -> Any:
        await asyncio.Event().wait()

    stages["caption"].work = hang  # type: ignore[method-assign]
    await chain.publish(kafka, topic_prefix, chain.requests("v1"))
    changes = {"worker": {"stuck_after_s": 0.2, "shutdown_grace_s": 0.2}}
    async with running(stages, kafka, topic_prefix, tmp_path / "data", **changes) as worker:
        await until(lambda: worker._what_is_stuck() is not None, worker)
        async with aiohttp.ClientSession() as session, session.get(worker.url + "/healthz") as answer:
            assert answer.status == 503
            assert "caption is stuck: clips.scored/" in (text := await answer.text())
            assert "v1_" in text


@pytest.mark.slow
async def test_a_broker_that_dies_and_comes_back_loses_nothing(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    address = own_kafka.address
    chain.make_topics(address, topic_prefix)
    out = tmp_path / "out"
    videos = [f"v{number}" for number in range(200)]
    await chain.publish(address, topic_prefix, chain.requests(*videos))
    async with running(chain.seven(out), address, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: len(chain.stored(out)["clips.rejected"]) > 20, worker)
        own_kafka.kill()
        await asyncio.sleep(1)
        await asyncio.to_thread(own_kafka.start)
        await until(lambda: chain.everything_of(chain.stored(out), videos), worker)


async def test_what_a_ctrl_c_cuts_off_is_delivered_again_and_not_counted(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    chain.make_topics(kafka, topic_prefix)
    await chain.publish(kafka, topic_prefix, chain.requests("v1"))
    for _ in range(4):
        stage = chain.TinyStage("download")
        never = asyncio.Event()

        async def hang(delivery: Any, never: asyncio.Event = never) -> Any:
            await never.wait()

        stage.work = hang  # type: ignore[method-assign]
        changes = {"worker": {"shutdown_grace_s": 0.1}}
        async with running({"download": stage}, kafka, topic_prefix, tmp_path / "data", **changes) as worker:
            await until(lambda stage=stage: bool(stage.calls), worker)  # type: ignore[misc]
    out = tmp_path / "out"
    async with running(chain.seven(out), kafka, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: chain.everything_of(chain.stored(out), ["v1"]), worker)
    assert chain.stored(out)["dead-letters"] == []
