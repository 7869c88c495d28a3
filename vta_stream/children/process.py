"""The parent's side of one child process."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path

from vta_stream.children.wire import HEADER, Kind, frame
from vta_stream.metrics import CHILD_EXITS

logger = logging.getLogger(__name__)

SETTINGS_PREFIX = "VTA_STREAM__"

_TAIL_LINES = 30
_LINE_CHARACTERS_MAX = 500
_RETIRE_S = 5.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ChildGoneError(Exception):
    """The child ended without an answer. The text says how, and what it printed last."""


class Child:
    """One child process in a session and process group of its own, and the talk with it.

    Nothing here blocks the event loop but the `posix_spawn`-like start, some milliseconds.
    """

    def __init__(self, work: str, result_bytes_max: int) -> None:
        self.tasks_done = 0
        self.gone = asyncio.Event()
        self._work = work
        self._how = "crashed"
        self._frame_bytes_max = result_bytes_max + (1 << 20)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._answer: asyncio.Future[tuple[Kind, bytes]] | None = None
        self._loop = asyncio.get_running_loop()
        self._process, self._connection, self._lifeline = _spawn(result_bytes_max)
        self.pid = self._process.pid
        # A pidfd becomes readable at the exit, before the reaping: the PID is still ours to signal.
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = [self._loop.create_task(self._read_output())]

    async def call(self, task: bytes) -> tuple[Kind, bytes]:
        """Send a pickled (function, arguments) and wait for the answer. Raises ChildGoneError."""
        if self._writer is None:
            reader, self._writer = await asyncio.open_connection(sock=self._connection)
            self._tasks.append(self._loop.create_task(self._read_frames(reader)))
        self._answer = self._loop.create_future()
        try:
            self._writer.write(frame(Kind.TASK, task))
            await self._writer.drain()
        except ConnectionError:
            logger.debug("child %s (%s) was gone before its task was written", self.pid, self._work)
        try:
            answer = await self._answer
        finally:
            self._answer = None
        self.tasks_done += 1
        return answer

    def rss_bytes(self) -> int:
        """Resident memory of the child now; 0 if it is gone."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return 0

    async def kill(self, how: str) -> None:
        """Kill the process group and wait until the child is reaped. `how` is the metric's label."""
        if not self.gone.is_set():
            self._how = how
            self._signal_group()
        await self.gone.wait()
        await self._close()

    async def retire(self, how: str) -> None:
        """Let the idle child end by itself, within seconds; then kill what is left."""
        self._how = how
        if self._writer:
            self._writer.close()
        try:
            await asyncio.wait_for(self.gone.wait(), _RETIRE_S if self._writer else 0)
        except TimeoutError:
            logger.debug("child %s (%s) did not end by itself and is killed", self.pid, self._work)
        await self.kill(how)

    def _signal_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.debug("process group %s is gone already", self.pid)

    def _on_exit(self) -> None:
        """The child has ended and is not reaped yet, so its PID cannot belong to a stranger."""
        self._loop.remove_reader(self._pidfd)
        self._signal_group()  # what it started goes with it
        self._process.wait()
        os.close(self._pidfd)
        os.close(self._lifeline)
        CHILD_EXITS.labels(work=self._work, how=self._how).inc()
        self.gone.set()

    async def _read_frames(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                kind_value, size = HEADER.unpack(await reader.readexactly(HEADER.size))
                if size > self._frame_bytes_max:
                    self._tail.append(f"it announced an answer of {size} bytes; {self._frame_bytes_max} are allowed")
                    break
                kind, body = Kind(kind_value), await reader.readexactly(size)
                if kind is Kind.LOG:
                    name, level, text = pickle.loads(body)
                    logging.getLogger(name).log(level, "%s", text)
                elif self._answer and not self._answer.done():
                    self._answer.set_result((kind, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            logger.debug("child %s (%s) closed its channel", self.pid, self._work)
        self._signal_group()  # without a channel it is of no use any more
        await self.gone.wait()
        await asyncio.wait(self._tasks[:1], timeout=1.0)  # its last words
        self._fail()

    async def _read_output(self) -> None:
        """Keep the last lines that the child and what it starts print, and log all of them for debugging."""
        assert self._process.stdout
        reader = asyncio.StreamReader()
        transport, _ = await self._loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            rest = b""
            while chunk := await reader.read(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                rest = rest[-_LINE_CHARACTERS_MAX:]
                for line in lines:
                    self._keep(line)
            self._keep(rest)
        finally:
            transport.close()

    def _keep(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()[:_LINE_CHARACTERS_MAX]
        if text:
            self._tail.append(text)
            logger.debug("child %s (%s): %s", self.pid, self._work, text)

    def _fail(self) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(ChildGoneError(self._last_words()))

    def _last_words(self) -> str:
        code = self._process.returncode
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        said = ("; it said last:\n" + "\n".join(self._tail)) if self._tail else ""
        return f"The child process ended {how} without an answer{said}"

    async def _close(self) -> None:
        self._fail()  # of a pool that is closed under its work
        if self._writer:
            self._writer.close()
        else:
            self._connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _environment() -> dict[str, str]:
    """Ours without the settings in it: passwords are no business of what handles foreign media."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIX)}


def _spawn(result_bytes_max: int) -> tuple[subprocess.Popen[bytes], socket.socket, int]:
    """The process, our end of its channel, and our end of its lifeline."""
    ours, theirs = socket.socketpair()
    watched, lifeline = os.pipe()
    try:
        ours.setblocking(False)
        level = logging.getLogger().getEffectiveLevel()
        arguments = [str(number) for number in (theirs.fileno(), watched, level, result_bytes_max)]
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        process = subprocess.Popen(
            # -P: the working directory is no place to import from unless this process does so too.
            [sys.executable, "-P", "-m", "vta_stream.children.child", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(), watched),
            start_new_session=True,
            env=_environment() | {"PYTHONPATH": path},
        )
    except BaseException:
        ours.close()
        os.close(lifeline)
        raise
    finally:
        theirs.close()
        os.close(watched)
    return process, ours, lifeline
