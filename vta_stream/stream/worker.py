"""Running a worker as a program: signals, exit codes, and an end within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from vta_stream.ports import AnyStage
from vta_stream.settings import Settings
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import STOP_TIMEOUT_S, Worker
from vta_stream.stream.noise import limit_noise
from vta_stream.stream.quick import collect_garbage_seldom
from vta_stream.stream.records import INPUTS
from vta_stream.stream.slots import WorkerError

log = logging.getLogger(__name__)


def run_worker(
    stages: Mapping[str, AnyStage],
    settings: Settings,
    connection: BrokerConnection,
    inputs: Mapping[str, tuple[str, ...]] = INPUTS,
    pipeline_version: str = "",
    on_ready: Callable[[Worker], None] | None = None,
) -> int:
    """Run until Ctrl-C or SIGTERM (0), or until something ends it from within (1, and an error is logged).

    A second signal ends the process at once. Work in threads may go on after the return: a program that has
    nothing else to do ends with `leave`.
    """
    limit_noise()
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_serve(Worker(stages, settings, connection, inputs, pipeline_version), on_ready))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=STOP_TIMEOUT_S))
        loop.close()  # without waiting for threads: one may be in the middle of an hour of speech


def leave(code: int) -> NoReturn:
    """End the process now, and never return; for a process whose own work is done.

    Threads that still work are not waited for: that would take as long as their work. Nor are libraries' goodbyes:
    triton, which torch loads, would tell on 40 lines what it thinks that it leaks.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _serve(worker: Worker, on_ready: Callable[[Worker], None] | None) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        log.info("stopping; once more ends it at once")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    work = asyncio.create_task(_live(worker, on_ready))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        stopping.cancel()
        await asyncio.wait((work, stopping))
        return _explain(None if work.cancelled() else work.exception())
    finally:
        await worker.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _live(worker: Worker, on_ready: Callable[[Worker], None] | None) -> None:
    await worker.start()
    collect_garbage_seldom()
    if on_ready is not None:
        while not worker.ready:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.wait(), 0.1)
        on_ready(worker)
    await worker.wait()


def _explain(ended: BaseException | None) -> int:
    from aiokafka.errors import KafkaConnectionError

    if ended is None:
        return 0
    if isinstance(ended, WorkerError):
        log.error("%s", ended)
    elif isinstance(ended, KafkaConnectionError):
        log.error("the broker does not answer, so the worker ends: %s. Start it again when the broker runs", ended)
    else:
        log.error("the worker ends: %r", ended, exc_info=ended)
    return 1
