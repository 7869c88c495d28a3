"""One input at a time: copies of what is in hand are recognised."""

from __future__ import annotations

from vta_stream.stream.batching import Work
from vta_stream.stream.message import Message, Origin


class SingleFlight:
    """The works of a shell for which nothing has been sent yet, by where their input first came from.

    Whoever dies between sending a retry and committing leaves an input in the log twice, and the next death doubles
    both: chaos found 60,000 copies of one. What is in hand is not acknowledged before it has ended, so a copy may be
    acknowledged at once. What is sent for a work may be read again before the work is acknowledged, and is no copy of
    it: so a work has to `leave` first.
    """

    def __init__(self) -> None:
        self._works: dict[Origin, Work] = {}

    def is_copy(self, message: Message) -> bool:
        """True if the same input is in hand. Who writes foreign messages may repeat an origin, with another value."""
        kept = self._works.get(message.origin)
        return kept is not None and (kept.message.key, kept.message.value) == (message.key, message.value)

    def enter(self, work: Work) -> None:
        """The work is in hand."""
        self._works.setdefault(work.message.origin, work)

    def leave(self, work: Work) -> None:
        """Something is about to be sent for it, or it is lost. Safe to call twice."""
        if self._works.get(work.message.origin) is work:
            del self._works[work.message.origin]
