"""Before the work: can the message be read, and has it killed the process before?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vta_stream.ports import TerminalError
from vta_stream.stream.acks import Partition
from vta_stream.stream.batching import Work
from vta_stream.stream.codec import clip_id_of, decode, video_id_of
from vta_stream.stream.crashes import CrashLedger, crash_key
from vta_stream.stream.dead_letters import UNKNOWN, Failure
from vta_stream.stream.settling import Ending

CRASH = "crash"


def identity(work: Work) -> str | None:
    """The clip's or else the video's ID; None if the record was not read yet or names none."""
    return clip_id_of(work.record) or video_id_of(work.record)


@dataclass(slots=True)
class Triage:
    """Of one stage. What killed the process `crashes_max` times is buried: it ends without being tried."""

    stage: str
    ledger: CrashLedger
    crashes_max: int
    _buried: dict[tuple[Partition, int], str] = field(default_factory=dict)

    def prepare(self, work: Work) -> Ending | None:
        """Read the record into `work`; an ending if it cannot be read or is to be buried."""
        message = work.message
        topic = message.origin.topic
        try:
            work.record = decode(topic, message.value)
        except TerminalError as error:
            return error
        work.crash_key = crash_key(self.stage, topic, identity(work) or hashlib.sha256(message.value or b"").digest())
        crashes = self.crashes(work)
        if crashes >= self.crashes_max:
            self._buried[message.partition, message.offset] = work.crash_key
            return Failure(UNKNOWN, CRASH, f"the process died {crashes} times while this was in work")
        return None

    def crashes(self, work: Work) -> int:
        """How often the process died with this in work: above 0 it is a suspect."""
        return self.ledger.crashes(work.crash_key)

    def apart(self, works: Sequence[Work]) -> list[list[Work]]:
        """The works in order, with each suspect in a group of its own."""
        groups: list[list[Work]] = []
        joinable = False
        for work in works:
            suspect = self.crashes(work) > 0
            if joinable and not suspect:
                groups[-1].append(work)
            else:
                groups.append([work])
            joinable = not suspect
        return groups

    def committed(self, commits: Mapping[Partition, int]) -> None:
        """Let the buried below these offsets out, for one more chance.

        Before the commit they can be delivered again; after it an equal message is a repeat, or a retry that
        somebody wants.
        """
        for place in [place for place in self._buried if place[1] < commits.get(place[0], 0)]:
            self.ledger.parole(self._buried.pop(place), self.crashes_max - 1)
