"""Copies of one input: each death between a retry and its commit makes more of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.stream.shell_bench import MAIN, RETRIES, Bench, Scripted, clip_message, on, until
from vta_stream.domain.delivery import Delivery
from vta_stream.ports import Outcome, TransientError
from vta_stream.stream.message import Message, Origin, message_from_retries


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def copy(offset: int, due_in_s: float = 0.0, of: Message | None = None) -> Message:
    of = of or clip_message(7)
    return Message(RETRIES, offset, of.key, of.value, 0.0, of.origin, 2, time.time() + due_in_s)


async def test_copies_of_what_is_in_hand_are_done_once_and_all_acknowledged(bench: Bench) -> None:
    stage = Scripted(on)
    async with bench.shell(stage) as shell:
        for offset in range(2000):
            await shell.take(copy(offset, due_in_s=0.3))
        assert shell.acks.take_commits() == {}, "the first is not done"
        assert not bench.flow, "they fill no shelf"
        await until(lambda: shell.acks.take_commits() == {RETRIES: 2000})
    assert len(stage.calls) == len(bench.sender.sent) == 1


async def test_a_copy_of_a_message_of_the_main_topic_is_one_too(bench: Bench) -> None:
    hold = asyncio.Event()

    async def held(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        await hold.wait()
        return on(deliveries)

    stage = Scripted(held)
    async with bench.shell(stage) as shell:
        await shell.take(clip_message(7))
        await shell.take(copy(0))
        hold.set()
        await until(lambda: (shell.acks.next_offset(MAIN), shell.acks.next_offset(RETRIES)) == (8, 1))
    assert len(stage.calls) == 1


async def test_what_was_sent_for_it_is_no_copy_even_if_it_is_read_before_the_acknowledgement(bench: Bench) -> None:
    answers: list[list[Outcome]] = [[TransientError("busy", "later")]]
    stage = Scripted(lambda deliveries: answers.pop() if answers else on(deliveries))
    async with bench.shell(stage) as shell:
        send, sent = bench.sender.send, asyncio.Event()

        async def send_and_linger(records: Any) -> None:
            await send(records)
            await sent.wait()

        bench.sender.send = send_and_linger  # type: ignore[method-assign]
        await shell.take(copy(0))
        await until(lambda: bench.sender.sent)
        (retry,) = bench.sender.sent
        again = message_from_retries(RETRIES, 1, retry.key, retry.value, 0.0, retry.headers, ("clips.segmented",))
        assert again.origin == copy(0).origin
        await shell.take(again)
        sent.set()
        await until(lambda: shell.acks.take_commits() == {RETRIES: 2})
    assert len(stage.calls) == 2
    assert bench.sender.topics() == ["p.score.retries", "p.clips.scored"]


async def test_what_is_sent_round_the_topic_is_no_copy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vta_stream.stream.shelf.ROTATE_AFTER_S", 0.05)
    stage = Scripted(on)
    async with bench.shell(stage) as shell:
        shell._shelf._count_max = 4
        for offset in range(4):
            value = clip_message(offset)
            await shell.take(copy(offset, due_in_s=1.0 + offset / 10, of=value))
        await until(lambda: len(bench.sender.sent) == 2)
        shell._shelf._count_max = 100
        for offset, sent in enumerate(list(bench.sender.sent), 4):
            await shell.take(
                message_from_retries(RETRIES, offset, sent.key, sent.value, 0.0, sent.headers, ("clips.segmented",))
            )
        await until(lambda: shell.acks.take_commits() == {RETRIES: 6})
    assert sorted(video for call in stage.calls for video in call) == ["v0", "v1", "v2", "v3"]


async def test_an_origin_with_another_value_is_another_message(bench: Bench) -> None:
    """A foreign message on the retries topic may name any origin, or none."""
    stage = Scripted(on)
    async with bench.shell(stage) as shell:
        await shell.take(copy(0, due_in_s=0.2))
        other = clip_message(9)
        await shell.take(Message(RETRIES, 1, b"k", other.value, 0.0, Origin("clips.segmented", 0, 7), 2, 0.0))
        await until(lambda: shell.acks.take_commits() == {RETRIES: 2})
    assert sorted(video for call in stage.calls for video in call) == ["v7", "v9"]


async def test_a_copy_counts_again_after_the_one_in_hand_was_lost(bench: Bench) -> None:
    stage = Scripted(on)
    async with bench.shell(stage) as shell:
        await shell.take(copy(0, due_in_s=60))
        shell.revoke([RETRIES])
        await shell.take(copy(1))
        await until(lambda: shell.acks.take_commits() == {RETRIES: 2})
    assert stage.calls == [["v7"]]
