"""The child's side: `python -m vta_stream.children.child CHANNEL LIFELINE LOG_LEVEL RESULT_BYTES_MAX`.

Started by `process.Child` only. Reads tasks from the channel, runs them one at a time in the main thread,
and answers. It ends when the channel does.
"""

from __future__ import annotations

import faulthandler
import fcntl
import logging
import os
import pickle
import resource
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path

from vta_stream.children.wire import HEADER, LOG_CHARACTERS_MAX, Kind, frame, pack_stage_error
from vta_stream.ports import StageError, TransientError

OOM_SCORE_ADJ = 500
"""Of 1000; a process may only raise its own."""


class Channel:
    """The child's end of the socket. Any thread may send."""

    def __init__(self, connection: socket.socket, result_bytes_max: int) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._result_bytes_max = result_bytes_max

    def receive(self) -> bytes | None:
        """The body of the next task, or None when the parent has closed the channel."""
        header = self._read(HEADER.size)
        return None if header is None else self._read(HEADER.unpack(header)[1])

    def send(self, kind: Kind, body: bytes) -> None:
        """Send one frame, whole."""
        with self._sending:
            self._connection.sendall(frame(kind, body))

    def answer(self, task: bytes) -> None:
        """Run a task and send its one answer."""
        try:
            function, arguments = pickle.loads(task)
            result = pickle.dumps(function(*arguments), protocol=pickle.HIGHEST_PROTOCOL)
            if len(result) > self._result_bytes_max:
                raise ValueError(f"the result has {len(result)} bytes; {self._result_bytes_max} are allowed")
        except StageError as error:
            self.send(Kind.STAGE_ERROR, pack_stage_error(error))
        except MemoryError:
            text = "The child process had not enough memory for the work."
            self.send(Kind.STAGE_ERROR, pack_stage_error(TransientError("out_of_memory", text)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to hear of it
            name = f"{type(error).__module__}.{type(error).__qualname__}"
            self.send(Kind.WORK_ERROR, pickle.dumps((name, str(error), traceback.format_exc())))
        else:
            self.send(Kind.RESULT, result)

    def _read(self, size: int) -> bytes | None:
        chunks = bytearray()
        while len(chunks) < size:
            chunk = self._connection.recv(min(size - len(chunks), 1 << 20))
            if not chunk:
                return None
            chunks += chunk
        return bytes(chunks)


class ForwardingHandler(logging.Handler):
    """Sends log records to the parent, which logs them under the same name."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; its text is cut at LOG_CHARACTERS_MAX."""
        text = self.format(record)[:LOG_CHARACTERS_MAX]
        self._channel.send(Kind.LOG, pickle.dumps((record.name, record.levelno, text)))


def tie_to_parent(lifeline: int) -> None:
    """Have the kernel kill this process group when the parent's end of the pipe `lifeline` closes.

    The parent never writes, so the pipe becomes readable only when it is gone, however it went. The kernel
    signals the whole group at that moment: grandchildren too, and also while native code holds the GIL.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # the parent went before the kernel was asked
        os.killpg(0, signal.SIGKILL)


def be_expendable() -> None:
    """When memory runs out the kernel takes this process before the worker; a crash leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    adjustment = Path("/proc/self/oom_score_adj")
    adjustment.write_text(str(max(OOM_SCORE_ADJ, int(adjustment.read_text()))))


def main(arguments: list[str]) -> None:
    """Serve tasks until the channel ends."""
    channel_fd, lifeline, log_level, result_bytes_max = map(int, arguments)
    for descriptor in (channel_fd, lifeline):
        os.set_inheritable(descriptor, False)
    tie_to_parent(lifeline)
    be_expendable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    faulthandler.enable()
    channel = Channel(socket.socket(fileno=channel_fd), result_bytes_max)
    logging.basicConfig(level=log_level, format="%(message)s", handlers=[ForwardingHandler(channel)], force=True)
    while (task := channel.receive()) is not None:
        channel.answer(task)


if __name__ == "__main__":
    main(sys.argv[1:])
