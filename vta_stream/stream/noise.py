"""When the broker is away its clients write thousands of lines; about one a second is enough."""

from __future__ import annotations

import logging
import time

FAMILIES = ("aiokafka", "faust", "mode")
BURST = 5


class RateLimited(logging.Handler):
    """Passes records on to the root's handlers, `BURST` at once and then one a second; counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._tokens = float(BURST)
        self._refilled_s = time.monotonic()
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on, or count it."""
        now_s = time.monotonic()
        self._tokens = min(BURST, self._tokens + now_s - self._refilled_s)
        self._refilled_s = now_s
        if self._tokens < 1:
            self._left_out += 1
            return
        self._tokens -= 1
        if self._left_out:
            record.msg = f"{record.getMessage()} (and {self._left_out} lines of the broker's clients left out)"
            record.args = None
            self._left_out = 0
        logging.getLogger().handle(record)


def limit_noise(level: int = logging.WARNING) -> None:
    """Let the broker's clients log at `level` and above, and not more than about a line a second together."""
    limited = RateLimited()
    for family in FAMILIES:
        logger = logging.getLogger(family)
        logger.setLevel(level)
        logger.propagate = False
        logger.handlers = [limited]
