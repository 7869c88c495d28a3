"""Records that wait while nothing of their partition comes to an end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.stream import chain
from tests.stream.chain_running import healthz_says, running, until
from vta_stream.stream import hosting
from vta_stream.stream.acks import Partition
from vta_stream.stream.agents import Agent
from vta_stream.stream.slots import WorkerError
from vta_stream.stream.stalls import Stalls

ONE, OTHER = Partition("t", 0), Partition("t", 1)


def test_what_does_not_move_is_told_with_its_place_and_time() -> None:
    stalls = Stalls()
    assert stalls.longest(5.0) is None
    stalls.look({ONE: 7, OTHER: 3}, 10.0)
    stalls.look({ONE: 7, OTHER: 4}, 20.0)
    assert stalls.longest(25.0) == (15.0, ONE, 7)


def test_what_moves_or_has_nothing_to_do_is_no_stall() -> None:
    stalls = Stalls()
    stalls.look({ONE: 7, OTHER: 3}, 10.0)
    stalls.look({ONE: 8}, 20.0)
    assert stalls.longest(25.0) == (5.0, ONE, 8)
    stalls.look({}, 30.0)
    assert stalls.longest(30.0) is None
    stalls.look({OTHER: 3}, 40.0)
    assert stalls.longest(45.0) == (5.0, OTHER, 3), "it was elsewhere meanwhile"


@pytest.mark.kafka
async def test_a_consumer_that_went_quiet_is_named_and_then_ends_the_worker(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in tests/stream/test_faust_facts.py: nothing is in work, and yet there is work."""
    consume = Agent._consume

    async def consume_unless_caption(self: Agent, stream: Any) -> None:
        if self.stage.name == "caption":
            self.lag.queues.append(stream.channel.queue)
            await asyncio.Event().wait()
        await consume(self, stream)

    monkeypatch.setattr(Agent, "_consume", consume_unless_caption)
    monkeypatch.setattr(hosting, "LAG_EVERY_S", 0.2)
    chain.make_topics(kafka, topic_prefix)
    await chain.publish(kafka, topic_prefix, chain.requests("v1"))
    changes = {"worker": {"stuck_after_s": 0.5, "shutdown_grace_s": 0.2}}
    async with running(chain.seven(tmp_path / "out"), kafka, topic_prefix, tmp_path / "data", **changes) as worker:
        await until(lambda: "caption" in (worker._what_is_stuck() or ""), worker)
        assert all(agent.shell.oldest() is None for agent in worker._agents if agent.stage.name == "caption")
        await healthz_says(worker.url, "caption is stuck: offset 0 of clips.scored/")
        (caption,) = (agent for agent in worker._agents if agent.stage.name == "caption")
        caption.lag._deaf_after_s = 0.5
        with pytest.raises(WorkerError, match=r"caption: the consumer has brought nothing of .*clips\.scored"):
            await asyncio.wait_for(worker.wait(), 90)
