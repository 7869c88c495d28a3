"""The pool's contract, with real processes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator

import pytest

from tests.children.work import (
    add,
    big,
    exits,
    hoard,
    hold_the_interpreter,
    log_something,
    own_ids,
    raise_key_error,
    raise_stage_error,
    surroundings,
)
from vta_stream.children import ChildPool, WorkError
from vta_stream.ports import DeferError, StageError, TerminalError, TransientError
from vta_stream.settings.load import ENVIRONMENT_PREFIX


@pytest.fixture
async def pool() -> AsyncIterator[ChildPool]:
    pool = ChildPool("test", 2)
    yield pool
    await pool.close()


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


async def test_the_event_loop_goes_on_meanwhile(pool: ChildPool) -> None:
    work = asyncio.create_task(pool.run(hold_the_interpreter, deadline_s=1.5))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 10
    with pytest.raises(TransientError):
        await work


async def test_a_lambda_is_refused_at_once(pool: ChildPool) -> None:
    with pytest.raises(Exception, match="pickle"):
        await pool.run(lambda: 1, deadline_s=60)


async def test_children_are_expendable_and_know_no_passwords(pool: ChildPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}KAFKA__SASL_PASSWORD", "s3cret")
    environment, oom_score_adj, core_limit = await pool.run(surroundings, deadline_s=60)
    assert "s3cret" not in environment.values()
    assert environment["PATH"] == os.environ["PATH"]
    assert oom_score_adj >= 500
    assert core_limit == (0, 0)
