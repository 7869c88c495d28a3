from __future__ import annotations

import asyncio

import pytest

from vta_stream.stream.acks import Partition
from vta_stream.stream.batching import Intake, Room, Work
from vta_stream.stream.message import Message, Origin


def work(offset: int) -> Work:
    return Work(Message(Partition("t", 0), offset, None, b"", 0.0, Origin("t", 0, offset)))


async def test_room_is_bounded_by_count_and_bytes_and_first_come_first_served() -> None:
    room = Room(count_max=2, bytes_max=10)
    await room.acquire(6)
    got: list[str] = []

    async def enter(name: str, size: int) -> None:
        await room.acquire(size)
        got.append(name)

    large, small = asyncio.create_task(enter("large", 6)), asyncio.create_task(enter("small", 1))
    await asyncio.sleep(0)
    assert (got, room.waiting) == ([], 2)
    room.release(6)
    await asyncio.gather(large, small)
    assert got == ["large", "small"]
    third = asyncio.create_task(enter("third", 1))
    await asyncio.sleep(0)
    assert room.waiting == 1
    room.release(6)
    await third


async def test_what_is_larger_than_the_room_gets_in_alone() -> None:
    room = Room(2, 10)
    await room.acquire(99)
    assert room.count == 1


async def test_who_gives_up_waiting_leaves_no_hole() -> None:
    room = Room(1, 10)
    await room.acquire(1)
    waiting = asyncio.create_task(room.acquire(1))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    room.release(1)
    assert (room.count, room.waiting) == (0, 0)
    late = asyncio.create_task(room.acquire(1))
    await late
    let_in = asyncio.create_task(room.acquire(1))
    await asyncio.sleep(0)
    room.release(1)  # lets it in, and in the same step it gives up
    let_in.cancel()
    with pytest.raises(asyncio.CancelledError):
        await let_in
    assert room.count == 0


async def test_a_batch_is_what_comes_within_the_wait() -> None:
    intake = Intake(batch_max=3, batch_wait_s=0.01)
    intake.put(work(0))
    assert [item.message.offset for item in await intake.next_batch()] == [0]
    for offset in range(5):
        intake.put(work(offset))
    assert [item.message.offset for item in await intake.next_batch()] == [0, 1, 2]
    assert [item.message.offset for item in intake.close()] == [3, 4]
    assert await intake.next_batch() == []


async def test_several_slots_that_wait_are_served_in_one_turn_of_the_loop() -> None:
    intake = Intake(batch_max=1, batch_wait_s=0)
    slots = [asyncio.create_task(intake.next_batch()) for _ in range(3)]
    await asyncio.sleep(0)
    for offset in range(4):
        intake.put(work(offset))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert all(slot.done() for slot in slots)
    assert [slot.result()[0].message.offset for slot in slots] == [0, 1, 2]
    assert len(intake) == 1


async def test_a_batch_of_a_slot_that_is_cancelled_goes_back_to_the_front() -> None:
    intake = Intake(batch_max=2, batch_wait_s=60)
    slot = asyncio.create_task(intake.next_batch())
    await asyncio.sleep(0)
    for offset in range(3):
        intake.put(work(offset))
    slot.cancel()
    await asyncio.wait([slot])
    assert slot.cancelled()
    assert [item.message.offset for item in await intake.next_batch()] == [0, 1]


async def test_a_close_ends_the_wait_for_more() -> None:
    intake = Intake(batch_max=3, batch_wait_s=60)
    waiting = asyncio.create_task(intake.next_batch())
    await asyncio.sleep(0)
    intake.put(work(0))
    await asyncio.sleep(0.01)
    intake.close()
    assert await asyncio.wait_for(waiting, 5) == []
