"""What ends within a worker ends the worker, aloud."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from tests.stream import chain
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.hosting import Worker
from vta_stream.stream.worker import run_worker


def worker(folder: Path) -> Worker:
    return Worker({}, chain.make_settings("127.0.0.1:1", "vta", folder), BrokerConnection("127.0.0.1:1"))


async def test_a_task_that_somebody_else_cancelled_is_an_error_and_no_quiet_end(tmp_path: Path) -> None:
    """Faust does so when a consumer breaks; taken for a wish to stop, the worker would end with 0 and no word."""
    hosted = worker(tmp_path)
    task = asyncio.create_task(asyncio.Event().wait())
    hosted._tasks = [task]  # type: ignore[list-item]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(RuntimeError, match="cancelled from within"):
        await hosted.wait()


def test_such_a_worker_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(self: Worker) -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        self._tasks = [task]  # type: ignore[list-item]
        asyncio.get_running_loop().call_later(0.01, task.cancel)

    monkeypatch.setattr(Worker, "start", start)
    settings = chain.make_settings("127.0.0.1:1", "vta", tmp_path)
    assert run_worker({}, settings, BrokerConnection("127.0.0.1:1")) == 1
    assert "cancelled from within" in caplog.text


def test_a_broker_that_goes_while_it_starts_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(self: Worker) -> None:
        raise KafkaConnectionError("Unable to bootstrap")

    monkeypatch.setattr(Worker, "start", start)
    settings = chain.make_settings("127.0.0.1:1", "vta", tmp_path)
    assert run_worker({}, settings, BrokerConnection("127.0.0.1:1")) == 1
    assert "the broker does not answer, so the worker ends" in caplog.text
    assert "Traceback" not in caplog.text
