"""What parent and child say to each other: frames of one byte of kind, a length, and a pickle.

Pickle is safe here because both ends are this program, and a frame's length is checked before it is read.
"""

from __future__ import annotations

import enum
import pickle
import struct
from typing import Any

from vta_stream.ports import DeferError, StageError, TerminalError, TransientError

HEADER = struct.Struct("!BQ")
LOG_CHARACTERS_MAX = 8000


class Kind(enum.IntEnum):
    """The kinds of frames. TASK goes to the child, all others come back; exactly one answer a task."""

    TASK = 1
    RESULT = 2
    STAGE_ERROR = 3
    WORK_ERROR = 4
    LOG = 5


class WorkError(Exception):
    """An exception in a child that is no StageError: a defect. Its text holds the child's traceback.

    `type_name` is the class of the original exception, as `module.Name`.
    """

    def __init__(self, type_name: str, message: str, traceback_text: str) -> None:
        super().__init__(f"{type_name}: {message}\n\nTraceback of the child process:\n{traceback_text}")
        self.type_name = type_name
        self.traceback_text = traceback_text


def frame(kind: Kind, body: bytes) -> bytes:
    """One frame as bytes."""
    return HEADER.pack(kind, len(body)) + body


def pack_stage_error(error: StageError) -> bytes:
    """The body of a STAGE_ERROR frame. Pickle alone cannot rebuild exceptions with own constructors."""
    after_s, scope = (error.after_s, error.scope) if isinstance(error, DeferError) else (0.0, "")
    for kind in (DeferError, TransientError, TerminalError):
        if isinstance(error, kind):
            return pickle.dumps((kind.__name__, error.reason, str(error), after_s, scope))
    return pickle.dumps((StageError.__name__, error.reason, str(error), after_s, scope))


def unpack_stage_error(body: bytes) -> StageError:
    """The error that `pack_stage_error` packed; a subclass comes back as its base class in `ports`."""
    name, reason, message, after_s, scope = pickle.loads(body)
    if name == DeferError.__name__:
        return DeferError(reason, message, after_s, scope)
    plain: dict[str, type[StageError]] = {kind.__name__: kind for kind in (TransientError, TerminalError)}
    return plain.get(name, StageError)(reason, message)


def unpack_answer(kind: Kind, body: bytes) -> Any:
    """The value of a RESULT; raises the error that any other answer carries."""
    if kind is Kind.RESULT:
        return pickle.loads(body)
    if kind is Kind.STAGE_ERROR:
        raise unpack_stage_error(body)
    raise WorkError(*pickle.loads(body))
