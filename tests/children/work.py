"""What the children of the tests do (importable by name, as the pool asks), and how to watch processes."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from vta_stream.metrics import REGISTRY
from vta_stream.ports import DeferError, TerminalError, TransientError


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


_hoarded = bytearray()


def hoard(size: int) -> int:
    global _hoarded
    _hoarded = bytearray(os.urandom(1) * size)
    return os.getpid()


def surroundings() -> tuple[dict[str, str], int, tuple[int, int]]:
    return dict(os.environ), int(Path("/proc/self/oom_score_adj").read_text()), resource.getrlimit(resource.RLIMIT_CORE)


def interrupted() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


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
