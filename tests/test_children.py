"""The children's contract, with real processes."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from vta_stream.children import ChildPool, WorkError
from vta_stream.metrics import REGISTRY
from vta_stream.ports import DeferError, StageError, TerminalError, TransientError


# What the children do. Importable by name, as the pool asks.
def add(left: int, right: int) -> int:
    return left + right


def own_ids() -> tuple[int, int, int]:
    return os.getpid(), os.getpgrp(), os.getsid(0)


def raise_stage_error(kind: str) -> None:
    match kind:
        case "terminal":
            raise TerminalError("private", "The video is private.")
        case "transient":
            raise TransientError("http_503", "Try later.")
        case "defer":
            raise DeferError("rate_limited", "Wait.", 17.5, "egress")


def raise_key_error() -> None:
    raise KeyError("nobody expects this")


def crash_natively() -> None:
    ctypes.string_at(0)


def leave() -> None:
    print("these are my last words", flush=True)
    os._exit(7)


def hold_the_interpreter() -> None:
    """Never ends, and never lets another Python thread run: what native code that hangs looks like."""
    re.match(r"(a+)+$", "a" * 80 + "b")


def start_grandchild_and_sleep(pid_file: str) -> None:
    grandchild = subprocess.Popen(["sleep", "600"])
    Path(pid_file).write_text(f"{os.getpid()} {grandchild.pid}")
    time.sleep(600)


def start_grandchild(pid_file: str) -> None:
    Path(pid_file).write_text(f"{os.getpid()} {subprocess.Popen(['sleep', '600']).pid}")


def log_something() -> None:
    logging.getLogger("some.child").warning("line %d of %s", 1, "a child")


def big(size: int) -> bytes:
    return bytes(size)


def hoard(size: int) -> int:
    global _hoarded
    _hoarded = bytearray(os.urandom(1) * size)
    return os.getpid()


def interrupted() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


@pytest.fixture
async def pool() -> AsyncIterator[ChildPool]:
    pool = ChildPool("test", 2)
    yield pool
    await pool.close()


def alive(pid: int) -> bool:
    """True for a process that runs; a zombie whose parent has gone does not (some containers reap none)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def eventually(condition: Callable[[], bool], what: str) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"never happened within 30 s: {what}")


def numbers(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


async def read_pids(file: Path) -> tuple[int, int]:
    await eventually(lambda: len(numbers(file)) == 2, "the child wrote its PIDs")
    child, grandchild = numbers(file)
    assert alive(child)
    return child, grandchild


def exits(how: str, work: str = "test") -> float:
    return REGISTRY.get_sample_value("vta_child_exits_total", {"work": work, "how": how}) or 0.0


async def test_returns_the_result_and_keeps_the_child(pool: ChildPool) -> None:
    assert await pool.run(add, 2, 3, deadline_s=60) == 5
    first = await pool.run(own_ids, deadline_s=60)
    assert first == await pool.run(own_ids, deadline_s=60)
    pid, group, session = first
    assert pid == group == session != os.getsid(0)


async def test_no_more_children_than_the_size(pool: ChildPool) -> None:
    pids = {pid for pid, _, _ in await asyncio.gather(*(pool.run(own_ids, deadline_s=60) for _ in range(12)))}
    assert 1 <= len(pids) <= 2


@pytest.mark.parametrize(
    ("kind", "error"), [("terminal", TerminalError), ("transient", TransientError), ("defer", DeferError)]
)
async def test_stage_errors_travel_back(pool: ChildPool, kind: str, error: type[StageError]) -> None:
    with pytest.raises(error) as caught:
        await pool.run(raise_stage_error, kind, deadline_s=60)
    assert type(caught.value) is error
    if isinstance(caught.value, DeferError):
        assert (caught.value.reason, caught.value.after_s, caught.value.scope) == ("rate_limited", 17.5, "egress")
    if isinstance(caught.value, TerminalError):
        assert (caught.value.reason, str(caught.value)) == ("private", "The video is private.")


async def test_other_exceptions_travel_back_with_their_traceback(pool: ChildPool) -> None:
    with pytest.raises(WorkError, match="nobody expects this") as caught:
        await pool.run(raise_key_error, deadline_s=60)
    assert caught.value.type_name == "builtins.KeyError"
    assert "in raise_key_error" in str(caught.value)
    assert await pool.run(add, 1, 1, deadline_s=60) == 2


async def test_a_result_that_is_too_big_is_an_error() -> None:
    pool = ChildPool("test", 1, result_bytes_max=1000)
    assert len(await pool.run(big, 900, deadline_s=60)) == 900
    with pytest.raises(WorkError, match="1000 are allowed"):
        await pool.run(big, 1001, deadline_s=60)
    await pool.close()


async def test_a_large_result_comes_whole(pool: ChildPool) -> None:
    assert await pool.run(big, 20_000_000, deadline_s=60) == bytes(20_000_000)


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
from tests import test_children
from vta_stream.children import ChildPool

async def main():
    pool = ChildPool("test", 1)
    await pool.run(test_children.start_grandchild, sys.argv[2], deadline_s=600)
    arguments = [sys.argv[2]] if sys.argv[1] == "start_grandchild_and_sleep" else []
    await pool.run(getattr(test_children, sys.argv[1]), *arguments, deadline_s=600)

asyncio.run(main())
"""


async def test_children_are_recycled_after_so_many_tasks() -> None:
    pool = ChildPool("recycle", 1, tasks_max=2)
    pids = [(await pool.run(own_ids, deadline_s=60))[0] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    await pool.close()
    assert exits("recycled", "recycle") == 2


async def test_children_that_hoard_memory_are_recycled() -> None:
    pool = ChildPool("hoard", 1, rss_max_bytes=150 * 1024**2)
    small = await pool.run(hoard, 1000, deadline_s=60)
    assert await pool.run(hoard, 200 * 1024**2, deadline_s=60) == small
    assert await pool.run(hoard, 1000, deadline_s=60) != small
    await pool.close()


async def test_log_lines_reach_the_parents_logging(pool: ChildPool, caplog: pytest.LogCaptureFixture) -> None:
    await pool.run(log_something, deadline_s=60)
    assert ("some.child", logging.WARNING, "line 1 of a child") in caplog.record_tuples


async def test_an_interrupt_is_the_parents_business(pool: ChildPool) -> None:
    assert await pool.run(interrupted, deadline_s=60) == "still here"


async def test_a_child_that_died_while_idle_is_replaced(pool: ChildPool) -> None:
    pid, _, _ = await pool.run(own_ids, deadline_s=60)
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not psutil.pid_exists(pid), "the child is reaped")
    assert (await pool.run(own_ids, deadline_s=60))[0] != pid


async def test_the_event_loop_goes_on_meanwhile(pool: ChildPool) -> None:
    work = asyncio.create_task(pool.run(hold_the_interpreter, deadline_s=1.5))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 10
    with pytest.raises(TransientError):
        await work


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


async def test_a_lambda_is_refused_at_once(pool: ChildPool) -> None:
    with pytest.raises(Exception, match="pickle"):
        await pool.run(lambda: 1, deadline_s=60)
