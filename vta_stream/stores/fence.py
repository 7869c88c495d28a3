"""Which writer may commit: the one whose number is the highest.

A lock keeps a second writer out, but a lock ends with its session or its machine, and its holder may only be paused:
then it wakes up in the middle of a commit and knows of nothing. So each writer takes a number that none had before
and writes it into the table `writer`; and every commit reads it, and replaces the row, within its own transaction. A
zombie then either reads another's number, or replaces a row that somebody else has replaced since its transaction
began, which DuckLake refuses as a conflict.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from vta_stream.ports import TransientError
from vta_stream.stores.rows import Row, moment

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake


class Fence:
    """This writer's number: 0 until `take`, and always where the lock on the folder is enough (not `needed`)."""

    def __init__(self, *, needed: bool) -> None:
        self.needed = needed
        self.number = 0

    def take(self, lake: Lake, now_s: float) -> None:
        """Take a new number. From its commit on nobody with a lower one can commit, and what was under way is over."""
        if not self.needed:
            return
        with lake.transaction():
            ((highest,),) = lake.rows("SELECT coalesce(max(number), 0) FROM writer")
            number = max(highest, self.number) + 1
            self._replace(lake, number, now_s)
        self.number = number

    def hold(self, lake: Lake, now_s: float) -> None:
        """Within the caller's transaction, and first in it; TransientError `writer_fenced` if another took over.

        It is transient because the other may end: the records stay where they are, and nothing is lost.
        """
        if not self.needed:
            return
        for number, holder in lake.rows("SELECT number, holder FROM writer"):
            if number != self.number:
                raise TransientError(
                    "writer_fenced",
                    f"{holder} has taken this dataset over (writer {number}, and this is {self.number}): stop one of "
                    "the two; if the other is gone, this one takes over by itself",
                )
        self._replace(lake, self.number, now_s)

    def _replace(self, lake: Lake, number: int, now_s: float) -> None:
        lake.execute("DELETE FROM writer")
        row: Row = {"number": number, "holder": holder_name(), "held_at": moment(now_s)}
        lake.insert("writer", [row])


def holder_name() -> str:
    """This process, for somebody who looks for it: host and process id."""
    return f"vta-stream, process {os.getpid()} on {socket.gethostname()}"
