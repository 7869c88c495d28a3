"""Before the work: can the message be read, and has it killed the process before?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vta_stream.ports import TerminalError
from vta_stream.stream.acks import Partition
from vta_stream.stream.batching import Work
from vta_stream.stream.codec import clip_id_of, decode, video_id_of
from vta_stream.stream.crashes import CrashLedger, crash_key, is_last_chance
from vta_stream.stream.dead_letters import UNKNOWN, Failure
from vta_stream.stream.settling import Ending

CRASH = "crash"
SUSPECTS_TOGETHER = 32
"""So many of those that were there at a death, and have more chances than one, go into a call together.

Most deaths are nobody's fault (a deployment, no memory left), and the store has hundreds of records in work: one
commit each would take a minute. If one of them does it again, this many have one chance left, and go alone.
"""


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
        """How often the process died with this in work: above 0 it is a suspect, see Suspects."""
        return self.ledger.crashes(work.crash_key)

    def apart(self, works: Sequence[Work]) -> list[list[Work]]:
        """The works in order, in groups: suspects apart from the others, and on its last chance each alone."""
        groups: list[list[Work]] = []
        room, before = 0, 0
        for work in works:
            crashes = self.crashes(work)
            alone = is_last_chance(crashes, self.crashes_max)
            if room > 0 and (crashes > 0) == (before > 0) and not alone:
                groups[-1].append(work)
                room -= 1
            else:
                groups.append([work])
                room = 0 if alone else SUSPECTS_TOGETHER - 1 if crashes else len(works)
            before = crashes
        return groups

    def committed(self, commits: Mapping[Partition, int]) -> None:
        """Let the buried below these offsets out, for one more chance.

        Before the commit they can be delivered again; after it an equal message is a repeat, or a retry that
        somebody wants.
        """
        for place in [place for place in self._buried if place[1] < commits.get(place[0], 0)]:
            self.ledger.parole(self._buried.pop(place), self.crashes_max - 1)
