"""The errors that stages answer with."""

from __future__ import annotations

import errno

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""An OSError with one of these numbers is the machine's trouble, never the input's fault."""


class StageError(Exception):
    """An error that a stage understands. `reason` is a short snake_case slug and becomes a metric label.

    `str(error)` is the sentence for a person: what is wrong and, where there is one, the remedy.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TransientError(StageError):
    """It may work later: the shell backs off, then uses the retries topic. Counts as an attempt."""


class DeferError(StageError):
    """It will work later and nobody is to blame (a live stream, a 429). Costs no attempt.

    `after_s` is how long to wait at least, in seconds. `scope` says what has to wait: this message, its
    host, or everything that leaves through this machine's address.
    """

    def __init__(self, reason: str, message: str, after_s: float, scope: str = "message") -> None:
        super().__init__(reason, message)
        self.after_s = after_s
        self.scope = scope


class TerminalError(StageError):
    """It can never work: the input goes to the dead letters with `reason`, and the video gets its row."""
