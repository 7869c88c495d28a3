"""What Faust does less of for us, and what has to go on as it was."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any

import faust
import mode
import pytest
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from vta_stream.stream.quick import (
    AT_HAND_MAX,
    COLLECT_EVERY,
    BytesSchema,
    at_hand,
    collect_garbage_seldom,
    hand_over_at_once,
)


class Consumer(mode.Service):
    """Has the waiting that Faust's consumer has."""


async def test_a_message_is_handed_over_in_one_step_where_there_is_room() -> None:
    consumer = Consumer()
    hand_over_at_once(consumer)
    queue: asyncio.Queue[int] = asyncio.Queue()
    await asyncio.gather(consumer.wait_first(queue.put(1), asyncio.Event().wait()), _check_at_once(queue))


async def _check_at_once(queue: asyncio.Queue[int]) -> None:
    assert queue.get_nowait() == 1


async def test_a_full_queue_is_waited_for_until_there_is_room_or_the_flow_is_suspended() -> None:
    consumer = Consumer()
    hand_over_at_once(consumer)
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    queue.put_nowait(1)
    suspended = asyncio.Event()
    handing = asyncio.create_task(consumer.wait_first(queue.put(2), suspended.wait()))
    await asyncio.sleep(0.01)
    assert not handing.done()
    assert queue.get_nowait() == 1
    await handing
    assert queue.qsize() == 1
    handing = asyncio.create_task(consumer.wait_first(queue.put(3), suspended.wait()))
    await asyncio.sleep(0.01)
    suspended.set()
    await handing
    assert [queue.get_nowait()] == [2]
    assert queue.empty()


async def test_fausts_other_waiting_goes_on_as_it_was() -> None:
    """It waits so for the flow to go on after a rebalance; an error there ends the worker."""
    consumer = Consumer()
    hand_over_at_once(consumer)
    flows = asyncio.Event()
    waiting = asyncio.create_task(consumer.wait(flows))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    flows.set()
    assert (await waiting).stopped is False


async def test_what_is_at_hand_is_taken_without_a_turn_and_the_end_is_left_to_the_stream() -> None:
    queue: ThrowableQueue[int] = ThrowableQueue(flow_control=FlowControlEvent())
    for value in range(AT_HAND_MAX + 3):
        queue.put_nowait(value)
    assert list(at_hand(queue)) == list(range(AT_HAND_MAX)), "others get a turn as well"
    taken = at_hand(queue)
    assert next(taken) == AT_HAND_MAX
    await queue.throw(StopAsyncIteration())
    assert list(taken) == []
    assert list(at_hand(queue)) == []
    with pytest.raises(StopAsyncIteration):
        queue.get_nowait()


@pytest.mark.parametrize(("key", "value"), [(b"k", b"{}"), (None, None), (b"", b"\xff\x00")])
async def test_bytes_stay_as_they_are_as_in_fausts_own_schema(key: bytes | None, value: bytes | None) -> None:
    app = faust.App("bytes", store="memory://", web_enabled=False, autodiscover=False)
    message: Any = SimpleNamespace(key=key, value=value, headers=[("attempt", b"2")])
    options: Any = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    ours, theirs = (kind(**options, allow_empty=True).compile(app) for kind in (BytesSchema, faust.Schema))
    ours, theirs = await ours(message, propagate=True), await theirs(message, propagate=True)
    assert (ours.key, ours.value, ours.headers) == (theirs.key, theirs.value, theirs.headers)
    assert (ours.key, ours.value, ours.headers) == (key, value, {"attempt": b"2"})
    assert ours.message is message


def test_cycles_are_collected_still_and_what_was_there_before_is_not_looked_at() -> None:
    before = gc.get_threshold()
    try:
        collect_garbage_seldom()
        assert gc.get_threshold()[0] == COLLECT_EVERY
        assert gc.get_freeze_count() > 0
        cycle = Consumer()
        cycle.itself = cycle  # type: ignore[attr-defined]
        gone = weakref.ref(cycle)
        del cycle
        gc.collect()
        assert gone() is None
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
