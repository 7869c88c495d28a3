"""How children end: killed, crashed, or with their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.children.work import (
    add,
    alive,
    crash_natively,
    eventually,
    exits,
    hold_the_interpreter,
    interrupted,
    leave,
    numbers,
    own_ids,
    read_pids,
    start_grandchild,
    start_grandchild_and_sleep,
)
from vta_stream.children import ChildPool
from vta_stream.ports import TransientError


@pytest.fixture
async def pool() -> AsyncIterator[ChildPool]:
    pool = ChildPool("test", 2)
    yield pool
    await pool.close()


async def test_a_native_crash_is_transient_and_the_pool_goes_on(pool: ChildPool) -> None:
    before = exits("crashed")
    with pytest.raises(TransientError, match=r"SIGSEGV(.|\n)*crash_natively") as caught:
        await pool.run(crash_natively, deadline_s=60)
    assert caught.value.reason == "child_crashed"
    assert exits("crashed") == before + 1
    assert await pool.run(add, 1, 2, deadline_s=60) == 3


async def test_an_exit_is_transient_and_quotes_the_last_words(pool: ChildPool) -> None:
    with pytest.raises(TransientError, match=r"exit code 7(.|\n)*my last words"):
        await pool.run(leave, deadline_s=60)


async def test_the_deadline_kills_even_code_that_holds_the_interpreter(pool: ChildPool) -> None:
    await pool.run(add, 1, 1, deadline_s=60)
    before = exits("timeout")
    with pytest.raises(TransientError, match="not done after") as caught:
        await pool.run(hold_the_interpreter, deadline_s=0.5)
    assert caught.value.reason == "child_timeout"
    assert exits("timeout") == before + 1
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
    assert await pool.run(add, 1, 2, deadline_s=60) == 3


async def test_the_deadline_kills_grandchildren(pool: ChildPool, tmp_path: Path) -> None:
    await pool.run(add, 1, 1, deadline_s=60)  # started already, so that the deadline falls into the work
    with pytest.raises(TransientError):
        await pool.run(start_grandchild_and_sleep, str(tmp_path / "pids"), deadline_s=5)
    child, grandchild = numbers(tmp_path / "pids")
    await eventually(lambda: not alive(child) and not alive(grandchild), "child and grandchild are dead")


async def test_cancelling_kills_the_work(pool: ChildPool, tmp_path: Path) -> None:
    work = asyncio.create_task(pool.run(start_grandchild_and_sleep, str(tmp_path / "pids"), deadline_s=600))
    child, grandchild = await read_pids(tmp_path / "pids")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not psutil.pid_exists(child)
    await eventually(lambda: not alive(grandchild), "the grandchild is dead")


async def test_what_a_child_leaves_behind_goes_with_it(tmp_path: Path) -> None:
    pool = ChildPool("test", 1)
    await pool.run(start_grandchild, str(tmp_path / "pids"), deadline_s=60)
    child, grandchild = await read_pids(tmp_path / "pids")
    await pool.close()
    assert not psutil.pid_exists(child)
    await eventually(lambda: not alive(grandchild), "the grandchild is dead")


@pytest.mark.parametrize("task", ["start_grandchild_and_sleep", "hold_the_interpreter"])
async def test_children_die_with_a_killed_parent(task: str, tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    parent = start_parent(task, pid_file)
    child, grandchild = await read_pids(pid_file)
    parent.kill()
    parent.wait()
    await eventually(lambda: not alive(child) and not alive(grandchild), "child and grandchild are dead")


def start_parent(task: str, pid_file: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", _PARENT, task, str(pid_file)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})


_PARENT = """
import asyncio, sys
from tests.children import work
from vta_stream.children import ChildPool

async def main():
    pool = ChildPool("test", 1)
    await pool.run(work.start_grandchild, sys.argv[2], deadline_s=600)
    arguments = [sys.argv[2]] if sys.argv[1] == "start_grandchild_and_sleep" else []
    await pool.run(getattr(work, sys.argv[1]), *arguments, deadline_s=600)

asyncio.run(main())
"""


async def test_an_interrupt_is_the_parents_business(pool: ChildPool) -> None:
    assert await pool.run(interrupted, deadline_s=60) == "still here"


async def test_a_child_that_died_while_idle_is_replaced(pool: ChildPool) -> None:
    pid, _, _ = await pool.run(own_ids, deadline_s=60)
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not psutil.pid_exists(pid), "the child is reaped")
    assert (await pool.run(own_ids, deadline_s=60))[0] != pid


async def test_a_closed_pool_refuses_work_and_ends_what_runs(tmp_path: Path) -> None:
    pool = ChildPool("test", 1)
    work = asyncio.create_task(pool.run(start_grandchild_and_sleep, str(tmp_path / "pids"), deadline_s=600))
    child, _ = await read_pids(tmp_path / "pids")
    await pool.close()
    assert not psutil.pid_exists(child)
    with pytest.raises(TransientError):
        await work
    with pytest.raises(RuntimeError, match="closed"):
        await pool.run(add, 1, 1, deadline_s=60)
    await pool.close()
