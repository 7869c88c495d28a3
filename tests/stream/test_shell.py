"""The shell without a broker: what a stage says, and what follows from it."""

from __future__ import annotations

import asyncio
import errno
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.stream.shell_bench import MAIN, RETRIES, Bench, Scripted, clip_message, on, until
from vta_stream.domain.delivery import DeadLetter, Delivery, Emission
from vta_stream.ports import DeferError, Outcome, TerminalError, TransientError
from vta_stream.stream import shelf as shelf_file
from vta_stream.stream.acks import Partition
from vta_stream.stream.codec import decode, encode
from vta_stream.stream.message import Message, Origin, message_from_retries
from vta_stream.stream.topology import Topology


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_source_is_acknowledged_after_the_broker_has_what_follows(bench: Bench) -> None:
    bench.sender.open.clear()
    async with bench.shell(Scripted(on)) as shell:
        await shell.take(clip_message(7))
        await asyncio.sleep(0.05)
        assert shell.acks.take_commits() == {}
        bench.sender.open.set()
        await until(lambda: shell.acks.in_work == 0)
        assert shell.acks.take_commits() == {MAIN: 8}
    (record,) = bench.sender.sent
    assert (record.topic, record.key) == ("p.clips.scored", b"v7")
    assert decode("clips.scored", record.value) == builders.clip("v7")


async def test_a_batch_fills_up_and_a_defect_hits_the_culprit_only(bench: Bench) -> None:
    def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        if any(delivery.record.video_id == "v2" for delivery in deliveries):
            raise ZeroDivisionError("here")
        return on(deliveries)

    stage = Scripted(work, batch_max=4, batch_wait_s=5.0)
    async with bench.shell(stage) as shell:
        for offset in range(4):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
    assert stage.calls == [["v0", "v1", "v2", "v3"], ["v0"], ["v1"], ["v2"], ["v3"]]
    (letter,) = bench.sender.letters()
    assert (letter.video_id, letter.kind, letter.reason) == ("v2", "unknown", "unknown")
    assert letter.traceback is not None
    assert "ZeroDivisionError: here" in letter.traceback
    assert bench.sender.topics().count("p.clips.scored") == 3


@pytest.mark.parametrize(
    "answer", [[], [(), ()], [None], ["x"]], ids=["too few", "too many", "no outcome", "not an outcome"]
)
async def test_a_stage_that_does_not_answer_properly(bench: Bench, answer: Any) -> None:
    async with bench.shell(Scripted(lambda _: answer)) as shell:
        await shell.take(clip_message(0))
        await until(lambda: shell.acks.in_work == 0)
    assert [letter.kind for letter in bench.sender.letters()] == ["unknown"]


@pytest.mark.parametrize(
    "emission", [Emission("clips.scored", builders.video()), Emission("no.such.topic", builders.clip())]
)
async def test_an_emission_that_fits_nowhere_is_a_dead_letter_of_the_input(bench: Bench, emission: Emission) -> None:
    async with bench.shell(Scripted(lambda _: [(emission,)])) as shell:
        await shell.take(clip_message(0))
        await until(lambda: shell.acks.in_work == 0)
    assert [letter.kind for letter in bench.sender.letters()] == ["unknown"]
    assert len(bench.sender.sent) == 1


async def test_a_record_too_large_for_the_broker_is_a_dead_letter(bench: Bench) -> None:
    bench.sender.too_large.add("p.clips.scored")
    async with bench.shell(Scripted(on)) as shell:
        await shell.take(clip_message(0))
        await until(lambda: shell.acks.in_work == 0)
    assert [(letter.kind, letter.reason) for letter in bench.sender.letters()] == [("terminal", "record_too_large")]


async def test_an_input_of_a_megabyte_still_fits_into_its_dead_letter(bench: Bench) -> None:
    junk = Message(MAIN, 0, None, b"\xff" * 1_000_000, 0.0, Origin("clips.segmented", 0, 0))
    async with bench.shell(Scripted(on)) as shell:
        await shell.take(junk)
        await until(lambda: shell.acks.in_work == 0)
    (record,) = bench.sender.sent
    assert len(record.value or b"") < 1_000_000
    assert "are kept" in bench.sender.letters()[0].message


async def test_transient_goes_round_the_retries_topic_and_defer_costs_no_attempt(bench: Bench) -> None:
    answers: list[Outcome] = [TransientError("busy", "later"), DeferError("live", "much later", 0.02), ()]
    seen: list[tuple[int, str, str]] = []

    def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        (delivery,) = deliveries
        seen.append((delivery.attempt, delivery.topic, delivery.position.topic_id))
        return [answers[len(seen) - 1]]

    async with bench.shell(Scripted(work)) as shell:
        await shell.take(clip_message(5))
        for number in (0, 1):
            await until(lambda number=number: len(bench.sender.sent) > number)  # type: ignore[misc]
            sent = bench.sender.sent[number]
            assert (sent.topic, sent.value) == ("p.score.retries", clip_message(5).value)
            await shell.take(
                message_from_retries(RETRIES, number, sent.key, sent.value, 0.0, sent.headers, ("clips.segmented",))
            )
        await until(lambda: shell.acks.in_work == 0)
    assert seen == [(1, "clips.segmented", "t1"), (2, "clips.segmented", "t2"), (2, "clips.segmented", "t2")]
    assert dict(bench.sender.sent[0].headers)["reason"] == b"busy"


async def test_what_is_not_due_does_not_hold_up_the_main_topic(bench: Bench) -> None:
    async with bench.shell(Scripted(on)) as shell:
        later = clip_message(0)
        for offset in range(1200):
            origin = Origin("clips.segmented", 0, offset)
            await shell.take(Message(RETRIES, offset, b"k", later.value, 0.0, origin, not_before_s=time.time() + 900))
        assert bench.flow, "above its bound the shelf pauses its topic"
        assert not any(bench.flow)
        await shell.take(clip_message(5000))
        await until(lambda: shell.acks.next_offset(MAIN) == 5001)
        assert bench.sender.topics() == ["p.clips.scored"]


async def test_a_full_shelf_sends_what_is_due_last_round_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_file, "ROTATE_AFTER_S", 0.05)
    async with bench.shell(Scripted(on)) as shell:
        value = clip_message(0).value
        for offset in range(shelf_file.COUNT_MAX):
            due_s, origin = time.time() + 900 - offset, Origin("clips.segmented", 0, offset)
            await shell.take(Message(RETRIES, offset, b"k", value, 0.0, origin, attempt=3, not_before_s=due_s))
        await until(lambda: bench.flow and bench.flow[-1])
        half = shelf_file.COUNT_MAX // 2
        assert bench.sender.topics() == ["p.score.retries"] * half
        await until(lambda: shell.acks.take_commits() == {RETRIES: half})
        assert dict(bench.sender.sent[0].headers)["attempt"] == b"3"


async def test_a_dead_letter_nobody_can_take_does_not_go_round_for_ever(bench: Bench) -> None:
    bench.topology = Topology("c", {"p.dead-letters": "t3"})
    letter = {**json.loads(LETTER), "topic": "dead-letters"}
    place = Partition("p.dead-letters", 0)
    message = Message(place, 0, None, json.dumps(letter).encode(), 0.0, Origin("dead-letters", 0, 0))
    stage = Scripted(lambda _: [TerminalError("no", "cannot")], ordered=True)
    async with bench.shell(stage) as shell:
        await shell.take(message)
        await until(lambda: shell.acks.in_work == 0)
    assert bench.sender.sent == []


LETTER = encode(
    "dead-letters",
    DeadLetter("store", "videos", 0, 0, None, "x", False, "v", None, "terminal", "r", "m", None, 1, 0.0),
)


async def test_what_comes_before_its_turn_is_asked_for_and_not_worked_on(bench: Bench) -> None:
    stage = Scripted(on)
    async with bench.shell(stage) as shell:
        for offset in (0, 2, 3, 1, 2, 3):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
        assert shell.acks.take_commits() == {MAIN: 4}
    assert stage.calls == [["v0"], ["v1"], ["v2"], ["v3"]]
    assert set(bench.asked) == {(MAIN, 1)}


@pytest.mark.parametrize("where", ["stage", "ledger"])
async def test_a_full_disk_is_no_defect_of_the_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: Any) -> list[Outcome]:
        raise OSError(errno.ENOSPC, "No space left on device")

    stage = Scripted(full if where == "stage" else on, batch_max=2, batch_wait_s=5.0)
    if where == "ledger":
        monkeypatch.setattr(bench.ledger, "begin", full)
    async with bench.shell(stage, attempts_max=3) as shell:
        await shell.take(clip_message(0))
        await shell.take(clip_message(1))
        await until(lambda: shell.acks.in_work == 0)
    assert bench.sender.topics() == ["p.score.retries"] * 2
