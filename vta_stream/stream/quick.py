"""Costs of Faust, and one of Python, that are paid for every message and that we have no use for."""

from __future__ import annotations

import gc
import logging
import types
from collections.abc import Coroutine, Generator, Iterator
from typing import Any

import faust

COLLECT_EVERY = 10_000
"""Objects made and not freed, between two looks for cycles among them; Python's own 700 are ten messages."""


def _nothing(*_: Any, **__: Any) -> None:
    return None


class QuietMonitor(faust.Monitor):
    """Faust's statistics, without those of single messages: ours are in metrics.py."""

    logger = logging.getLogger("faust.quick")  # else its comings and goings are told as if they were ours
    on_message_in = _nothing
    on_message_out = _nothing
    on_stream_event_in = _nothing
    on_stream_event_out = _nothing
    on_topic_buffer_full = _nothing
    track_tp_end_offset = _nothing


class BytesSchema(faust.Schema[bytes, bytes]):
    """Keys and values are bytes here and there: there is nothing to decode, and nothing to fail.

    Faust asks its registry of codecs twice a message, and its settings for the class of events.
    """

    def compile(self, app: Any, **_: Any) -> Any:
        """What makes an event of a message."""

        async def decode(message: Any, *, propagate: bool = False) -> faust.Event:
            return faust.Event(app, message.key, message.value, message.headers, message)

        return decode


def collect_garbage_seldom() -> None:
    """Look for cycles now and then, and not among what is there already (models, settings, code). Call when loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, *gc.get_threshold()[1:])


async def _at_once() -> None:
    return None


def wait_for_no_producer(app: faust.App) -> None:
    """Let messages in without asking whether Faust's producer has room: nothing is sent by it."""
    app.producer.buffer.wait_until_ebb = _at_once  # type: ignore[method-assign]


AT_HAND_MAX = 32
"""So many messages are taken before others get a turn of the loop; they are only noted and queued then."""


def at_hand(queue: Any) -> Iterator[Any]:
    """What a stream's queue holds already, up to AT_HAND_MAX: without it, each event costs a turn of the event loop.

    Iterating over a stream waits a turn before every event (`sleep(0)` in Faust's `StreamIterator.next`), and all
    agents of a worker share the loop. What was thrown into the queue (its end) is left for the stream to meet.
    """
    for _ in range(min(AT_HAND_MAX, queue.qsize())):
        if queue._errors or not queue.qsize():
            return
        yield queue.get_nowait()


def hand_over_at_once(consumer: Any) -> None:
    """Let the consumer hand a message to its queue without two tasks, where there is room in the queue.

    Faust waits for "handed over, or flow suspended" with a task each. Handing over needs no waiting most of
    the time, and then it is done here in one step; else the begun coroutine goes on as Faust has it.
    """
    wait_first = consumer.wait_first

    async def first(*awaited: Any, timeout: Any = None) -> Any:
        if len(awaited) != 2:  # Faust's own waiting (for the flow to go on after a rebalance, say) comes by here too
            return await wait_first(*awaited, timeout=timeout)
        handing, suspended = awaited
        try:
            waits_for = handing.send(None)
        except StopIteration:
            suspended.close()
            return None
        return await wait_first(_rest(handing, waits_for), suspended, timeout=timeout)

    consumer.wait_first = first


async def _rest(begun: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _resume(begun, waits_for)


@types.coroutine
def _resume(begun: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    try:
        yield waits_for
    except BaseException as error:
        begun.throw(error)
        raise
    yield from begun.__await__()
