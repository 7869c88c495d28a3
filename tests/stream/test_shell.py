"""The shell without a broker: what a stage says, and what follows from it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from vta_stream.domain.delivery import DeadLetter, Delivery, Emission
from vta_stream.ports import DeferError, Outcome, TerminalError, TransientError
from vta_stream.settings.delivery import RetrySettings
from vta_stream.stream import shelf as shelf_file
from vta_stream.stream.acks import Partition
from vta_stream.stream.codec import decode, encode
from vta_stream.stream.crashes import CrashLedger, crash_key
from vta_stream.stream.message import Message, Origin, Outgoing, message_from_retries
from vta_stream.stream.producer import TooLargeError
from vta_stream.stream.shell import Shell, Surroundings
from vta_stream.stream.topology import Topology
from vta_stream.stream.trying import Suspects

MAIN = Partition("p.clips.segmented", 0)
OTHER = Partition("p.clips.segmented", 1)
RETRIES = Partition("p.score.retries", 0)

Work = Callable[[Sequence[Delivery[Any]]], Any]


class MemorySender:
    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.too_large: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, records: Sequence[Outgoing]) -> None:
        await self.open.wait()
        for record in records:
            if record.topic in self.too_large:
                raise TooLargeError(record)
            self.sent.append(record)

    def letters(self) -> list[DeadLetter]:
        return [decode("dead-letters", record.value) for record in self.sent if record.topic == "p.dead-letters"]

    def topics(self) -> list[str]:
        return [record.topic for record in self.sent]


class Scripted:
    """A stage whose `process` is given by the test."""

    name = "score"

    def __init__(self, work: Work, **traits: Any) -> None:
        self.batch_max, self.batch_wait_s, self.concurrency, self.ordered = 1, 0.0, 1, False
        self.calls: list[list[str]] = []
        self._work = work
        for trait, value in traits.items():
            setattr(self, trait, value)

    async def setup(self) -> None:
        return

    async def close(self) -> None:
        return

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        self.calls.append([delivery.record.video_id for delivery in deliveries])
        outcome = self._work(deliveries)
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        return outcome  # type: ignore[no-any-return]


def on(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
    return [(Emission("clips.scored", delivery.record),) for delivery in deliveries]


def clip_message(offset: int, video_id: str | None = None, partition: Partition = MAIN) -> Message:
    value = encode("clips.segmented", builders.clip(video_id or f"v{offset}"))
    return Message(partition, offset, b"k", value, time.time(), Origin("clips.segmented", partition.number, offset))


class Bench:
    def __init__(self, tmp_path: Path) -> None:
        self.sender = MemorySender()
        self.ledger = CrashLedger(tmp_path / "crashes")
        self.flow: list[bool] = []
        self.topology = Topology("c", {"p.clips.segmented": "t1", "p.score.retries": "t2"})

    @asynccontextmanager
    async def shell(self, stage: Any, grace_s: float = 5, **retry: Any) -> AsyncIterator[Shell]:
        around = Surroundings(
            "p",
            self.sender,
            self.ledger,
            Suspects(3),
            self.topology,
            RetrySettings(**{"base_s": 0.01, "max_s": 0.05, **retry}),
        )
        shell = Shell(stage, around, self.flow.append)
        shell.start()
        yield shell
        await shell.drain(grace_s)
        if shell.failed.done():
            shell.failed.result()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for is anything
            await asyncio.sleep(0.005)


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
            await shell.take(
                Message(RETRIES, offset, b"k", later.value, 0.0, later.origin, not_before_s=time.time() + 900)
            )
        assert bench.flow, "above its bound the shelf pauses its topic"
        assert not any(bench.flow)
        await shell.take(clip_message(0))
        await until(lambda: shell.acks.next_offset(MAIN) == 1)
        assert bench.sender.topics() == ["p.clips.scored"]


async def test_a_full_shelf_sends_what_is_due_last_round_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_file, "ROTATE_AFTER_S", 0.05)
    async with bench.shell(Scripted(on)) as shell:
        value, origin = clip_message(0).value, clip_message(0).origin
        for offset in range(shelf_file.COUNT_MAX):
            due_s = time.time() + 900 - offset
            await shell.take(Message(RETRIES, offset, b"k", value, 0.0, origin, attempt=3, not_before_s=due_s))
        await until(lambda: bench.flow and bench.flow[-1])
        half = shelf_file.COUNT_MAX // 2
        assert bench.sender.topics() == ["p.score.retries"] * half
        await until(lambda: shell.acks.take_commits() == {RETRIES: half})
        assert dict(bench.sender.sent[0].headers)["attempt"] == b"3"


async def test_an_ordered_stage_is_retried_in_place_and_nothing_overtakes(bench: Bench) -> None:
    fail = [TransientError("locked", "busy"), DeferError("full", "disk full", 0.01), RuntimeError("odd")]

    def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        if fail:
            error = fail.pop(0)
            if isinstance(error, RuntimeError):
                raise error
            return [error for _ in deliveries]
        return [() for _ in deliveries]

    stage = Scripted(work, ordered=True, batch_max=2, batch_wait_s=5.0, concurrency=4)
    async with bench.shell(stage) as shell:
        for offset in range(4):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
    assert bench.sender.sent == []
    flat = [video_id for call in stage.calls for video_id in call]
    assert stage.calls[:3] == [["v0", "v1"]] * 3
    assert flat.index("v2") > max(index for index, video_id in enumerate(flat) if video_id in ("v0", "v1"))


async def test_an_ordered_stage_gives_a_defect_its_attempts_and_then_a_dead_letter(bench: Bench) -> None:
    def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        if any(delivery.record.video_id == "v1" for delivery in deliveries):
            raise RuntimeError("odd")
        return [() for _ in deliveries]

    stage = Scripted(work, ordered=True, batch_max=3, batch_wait_s=5.0)
    async with bench.shell(stage, attempts_max=3) as shell:
        for offset in range(3):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
    assert stage.calls == [["v0", "v1", "v2"], ["v0"], ["v1"], ["v2"], ["v1"], ["v1"]]
    assert [(letter.video_id, letter.attempt) for letter in bench.sender.letters()] == [("v1", 3)]


async def test_a_revoke_cancels_the_work_of_that_partition_only(bench: Bench) -> None:
    hold, ended = asyncio.Event(), []

    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        try:
            await hold.wait()
        finally:
            ended.append(deliveries[0].record.video_id)
        return on(deliveries)

    stage = Scripted(work, concurrency=2)
    async with bench.shell(stage) as shell:
        await shell.take(clip_message(0, "mine"))
        await shell.take(clip_message(0, "lost", OTHER))
        await until(lambda: len(stage.calls) == 2)
        shell.revoke([OTHER])
        await until(lambda: ended == ["lost"])
        hold.set()
        await until(lambda: shell.acks.in_work == 0)
        assert shell.acks.take_commits() == {MAIN: 1}
    assert [record.key for record in bench.sender.sent] == [b"mine"]


async def test_a_revoke_lets_an_ordered_call_end_but_passes_its_word_over(bench: Bench) -> None:
    hold, busy, most = asyncio.Event(), 0, 0

    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await hold.wait()
        busy -= 1
        return [() for _ in deliveries]

    stage = Scripted(work, ordered=True)
    async with bench.shell(stage) as shell:
        await shell.take(clip_message(3))
        await until(lambda: stage.calls)
        shell.revoke([MAIN])
        await shell.take(clip_message(3))
        await asyncio.sleep(0.05)
        assert len(stage.calls) == 1
        hold.set()
        await until(lambda: shell.acks.in_work == 0)
    assert (len(stage.calls), most) == (2, 1)


async def test_a_redelivery_joins_the_work(bench: Bench) -> None:
    hold = asyncio.Event()

    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        await hold.wait()
        return on(deliveries)

    stage = Scripted(work)
    async with bench.shell(stage) as shell:
        for _ in range(3):
            await shell.take(clip_message(0))
        hold.set()
        await until(lambda: shell.acks.in_work == 0)
        await shell.take(clip_message(0))
        assert shell.acks.in_work == 0
    assert len(stage.calls) == 1


async def test_a_topic_made_anew_is_worked_on_again(bench: Bench) -> None:
    stage = Scripted(on)
    async with bench.shell(stage) as shell:
        for offset in (5, 6):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
        shell.confirm(shell.acks.take_commits())
        await shell.take(clip_message(0))
        await until(lambda: len(stage.calls) == 3)


async def test_in_flight_is_bounded(bench: Bench) -> None:
    hold = asyncio.Event()

    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        await hold.wait()
        return [()]

    async with bench.shell(Scripted(work)) as shell:
        accepted = 0

        async def feed() -> None:
            nonlocal accepted
            for offset in range(500):
                await shell.take(clip_message(offset))
                accepted += 1

        feeding = asyncio.create_task(feed())
        await asyncio.sleep(0.1)
        assert 10 < accepted < 100
        hold.set()
        await feeding
        await until(lambda: shell.acks.in_work == 0)
    assert accepted == 500


async def test_a_drain_begins_nothing_new_and_cuts_off_after_the_grace(bench: Bench) -> None:
    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        await asyncio.Event().wait()
        return []

    stage = Scripted(work)
    async with bench.shell(stage, grace_s=0) as shell:
        for offset in range(5):
            await shell.take(clip_message(offset))
        await until(lambda: stage.calls)
        assert await shell.drain(0.05) == 1
        assert shell.acks.take_commits() == {}
    assert stage.calls == [["v0"]]
    assert bench.sender.sent == []


async def test_suspects_of_a_crash_are_worked_on_alone(bench: Bench) -> None:
    for video_id in ("v1", "v3"):
        key = crash_key("score", "clips.segmented", builders.clip(video_id).clip_id)
        bench.ledger.parole(key, 1)
    together = []
    busy = 0

    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        nonlocal busy
        suspects = [delivery for delivery in deliveries if delivery.record.video_id in ("v1", "v3")]
        busy += len(suspects)
        together.append(busy)
        await asyncio.sleep(0.02)
        busy -= len(suspects)
        return on(deliveries)

    stage = Scripted(work, batch_max=5, batch_wait_s=0.2, concurrency=3)
    async with bench.shell(stage) as shell:
        for offset in range(5):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
    assert stage.calls == [["v0"], ["v1"], ["v2"], ["v3"], ["v4"]]
    assert max(together) == 1
    assert bench.ledger.crashes(crash_key("score", "clips.segmented", builders.clip("v1").clip_id)) == 0


async def test_three_crashes_are_a_dead_letter_without_another_try(bench: Bench) -> None:
    key = crash_key("score", "clips.segmented", builders.clip("v0").clip_id)
    bench.ledger.parole(key, 3)
    stage = Scripted(on)
    async with bench.shell(stage) as shell:
        await shell.take(clip_message(0))
        await until(lambda: shell.acks.in_work == 0)
        assert [(letter.kind, letter.reason) for letter in bench.sender.letters()] == [("unknown", "crash")]
        assert stage.calls == []
        assert bench.ledger.crashes(key) == 3
        shell.confirm(shell.acks.take_commits())
        assert bench.ledger.crashes(key) == 2, "a retry has one more chance"


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
