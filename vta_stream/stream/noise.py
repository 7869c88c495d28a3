"""When the broker is away its clients write thousands of lines, and we some; one line a second is enough."""

from __future__ import annotations

import logging
import threading
import time

FAMILIES = ("aiokafka", "faust", "mode")
EVERY_S = 1.0

log = logging.getLogger("faust.threads")
of_broker = logging.getLogger("vta_stream.broker")
"""For what agents and producer say of a broker that does not answer: each of them would have its line a second."""


class RateLimited(logging.Handler):
    """Passes one record a second on to the root's handlers, without its traceback, and counts the others.

    What ends a worker is logged by whoever ends it, with its traceback.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next_s = 0.0
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on, or count it."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            self._left_out += 1
            return
        self._next_s = now_s + EVERY_S
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        if self._left_out:
            text += f" (and {self._left_out} lines about the broker left out)"
        record.msg, record.args, record.exc_info, record.exc_text = text.replace("\n", " "), None, None, None
        self._left_out = 0
        logging.getLogger().handle(record)


def _thread_broke(broken: threading.ExceptHookArgs) -> None:
    name = broken.thread.name if broken.thread is not None else "a thread"
    log.error("%s broke: %r", name, broken.exc_value)


def limit_noise(level: int = logging.WARNING) -> None:
    """Let the broker's clients log at `level` and above, and not more than a line a second together with `of_broker`.

    Their threads too, each of which would write a traceback of its own when the broker goes while the worker stops.
    """
    threading.excepthook = _thread_broke
    limited = RateLimited()
    for family in FAMILIES:
        logging.getLogger(family).setLevel(level)
    for logger in (*map(logging.getLogger, FAMILIES), of_broker):
        logger.propagate = False
        logger.handlers = [limited]
