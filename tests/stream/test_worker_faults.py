"""The delivery contract on a real Kafka: workers and brokers that die, and workers that come."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.kafka_process import KafkaProcess
from tests.stream import chain
from tests.stream.chain_running import committed, letters, process, running, until
from vta_stream.stream import agents, rereading
from vta_stream.stream.app import make_app
from vta_stream.stream.codec import encode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker
from vta_stream.stream.slots import WorkerError

pytestmark = pytest.mark.kafka


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


async def test_what_the_consumer_drops_is_read_again(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason: the first of a partition, one in the middle, the last."""
    dropped: set[Any] = set()

    def app_that_drops(*arguments: Any) -> Any:
        app = make_app(*arguments)
        deliver = app.consumer.callback

        async def drop_first(message: Any) -> None:
            if message.offset % 3 == 0 and (message.tp, message.offset) not in dropped:
                dropped.add((message.tp, message.offset))
            else:
                await deliver(message)

        app.consumer.callback = drop_first
        return app

    monkeypatch.setattr(agents, "make_app", app_that_drops)
    monkeypatch.setattr(rereading, "AGAIN_AFTER_S", 0.2)
    chain.make_topics(kafka, topic_prefix)
    videos = [f"v{number}" for number in range(20)]
    await chain.publish(kafka, topic_prefix, chain.requests(*videos))
    download = chain.seven(tmp_path / "out")["download"]
    async with running({"download": download}, kafka, topic_prefix, tmp_path / "data") as worker:
        await until(lambda: {call[0] for call in download.calls} == set(videos), worker)
        await until(lambda: worker._agents[0].shell.acks.in_work == 0, worker)
    assert len(download.calls) == len(videos)
    assert len(dropped) > 5
    assert sum((await committed(kafka, f"{topic_prefix}.download")).values()) == len(videos)


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
