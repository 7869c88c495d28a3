"""The shell without a broker: order, rebalances, crashes, bounds and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.stream.shell_bench import MAIN, OTHER, Bench, Scripted, clip_message, on, until
from vta_stream.domain.delivery import Delivery
from vta_stream.ports import DeferError, Outcome, TransientError
from vta_stream.stream.crashes import crash_key
from vta_stream.stream.shell import IN_FLIGHT_SPARE
from vta_stream.stream.triage import SUSPECTS_TOGETHER


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


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


async def test_the_slot_whose_call_was_cancelled_goes_on_with_the_next_message(bench: Bench) -> None:
    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        if deliveries[0].record.video_id == "lost":
            await asyncio.Event().wait()
        return on(deliveries)

    stage = Scripted(work, concurrency=1)
    async with bench.shell(stage) as shell:
        for _ in range(2):
            await shell.take(clip_message(0, "lost", OTHER))
            await until(lambda: bool(shell.oldest()))
            shell.revoke([OTHER])
        await shell.take(clip_message(0, "mine"))
        await until(lambda: shell.acks.in_work == 0)
    assert stage.calls == [["lost"], ["lost"], ["mine"]]
    assert [record.key for record in bench.sender.sent] == [b"mine"]


async def test_a_stage_that_cancels_its_own_work_has_a_defect(bench: Bench) -> None:
    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        raise asyncio.CancelledError

    async with bench.shell(Scripted(work)) as shell:
        await shell.take(clip_message(0))
        await until(lambda: shell.acks.in_work == 0)
    assert ["cancelled its own work" in letter.message for letter in bench.sender.letters()] == [True]


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

    stage = Scripted(work)
    async with bench.shell(stage) as shell:
        accepted = 0

        async def feed() -> None:
            nonlocal accepted
            for offset in range(500):
                await shell.take(clip_message(offset))
                accepted += 1

        feeding = asyncio.create_task(feed())
        await asyncio.sleep(0.1)
        assert accepted == 2 * stage.batch_max * stage.concurrency + IN_FLIGHT_SPARE
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


async def test_what_was_there_at_one_death_goes_on_apart_from_the_others_but_not_one_by_one(bench: Bench) -> None:
    """Most deaths are nobody's fault; a store that has hundreds of records in work then takes a few commits."""
    for offset in range(1, 4 + SUSPECTS_TOGETHER):
        bench.ledger.parole(crash_key("score", "clips.segmented", builders.clip(f"v{offset}").clip_id), 1)
    stage = Scripted(on, batch_max=SUSPECTS_TOGETHER + 6, batch_wait_s=0.2)
    async with bench.shell(stage) as shell:
        for offset in range(SUSPECTS_TOGETHER + 6):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
    assert [len(call) for call in stage.calls] == [1, SUSPECTS_TOGETHER, 3, 2]


async def test_suspects_that_are_worked_on_one_a_call_are_not_held_up_by_each_other(bench: Bench) -> None:
    for offset in range(3):
        bench.ledger.parole(crash_key("score", "clips.segmented", builders.clip(f"v{offset}").clip_id), 1)
    all_there = asyncio.Barrier(3)

    async def work(deliveries: Sequence[Delivery[Any]]) -> list[Outcome]:
        async with asyncio.timeout(10):
            await all_there.wait()
        return on(deliveries)

    stage = Scripted(work, concurrency=3)
    async with bench.shell(stage) as shell:
        for offset in range(3):
            await shell.take(clip_message(offset))
        await until(lambda: shell.acks.in_work == 0)
    assert bench.sender.letters() == []


async def test_on_its_last_chance_a_suspect_is_worked_on_alone(bench: Bench) -> None:
    for video_id in ("v1", "v3"):
        key = crash_key("score", "clips.segmented", builders.clip(video_id).clip_id)
        bench.ledger.parole(key, 2)
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
