"""One stage, once more, on the records of one video that lie on its topics; nothing is committed or sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vta_stream.domain.delivery import Emission
from vta_stream.ports import AnyStage, DeferError, StageError, TerminalError
from vta_stream.stream.advice import DEFERRED, TRANSIENT
from vta_stream.stream.batching import Work
from vta_stream.stream.codec import clip_id_of, decode, encode, video_id_of
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.crashes import CrashLedger
from vta_stream.stream.dead_letters import TERMINAL, Failure
from vta_stream.stream.message import Outgoing, full_topic
from vta_stream.stream.reading import read_topic
from vta_stream.stream.records import INPUTS
from vta_stream.stream.settling import Ending
from vta_stream.stream.topology import Topology
from vta_stream.stream.trying import Trial


@dataclass(frozen=True)
class Inputs:
    """A video's inputs of one stage, those of clips in the clips' order; `seen_count` records were looked at.

    Of several records about one clip, or about the whole video, it is the last.
    """

    works: tuple[Work, ...]
    seen_count: int


@dataclass(frozen=True)
class Replayed:
    """What became of one input: its emissions, or the failure (its kind may be `transient` or `deferred` too)."""

    work: Work
    emissions: tuple[Emission, ...] = ()
    failure: Failure | None = None

    @property
    def clip_id(self) -> str | None:
        """The clip, or None if the input is about a whole video."""
        return clip_id_of(self.work.record)

    def outgoing(self, prefix: str) -> list[Outgoing]:
        """The emissions as a worker would send them."""
        return [
            Outgoing(
                full_topic(prefix, emission.topic),
                (video_id_of(emission.record) or "").encode() or None,
                encode(emission.topic, emission.record),
            )
            for emission in self.emissions
        ]


def find_inputs(connection: BrokerConnection, prefix: str, stage: str, video_id: str) -> Inputs:
    """Look through the stage's input topics, from their beginning to their present end.

    Records that cannot be read are passed over: nobody can say whose they are. Raises ReadingError.
    """
    last: dict[tuple[str, str | None], Work] = {}
    seen_count = 0
    for topic in INPUTS[stage]:
        for message in read_topic(connection, prefix, topic):
            seen_count += 1
            # Only a request may leave its ID out (it follows from the URL); elsewhere this spares the decoding.
            if topic != "videos" and video_id.encode() not in (message.value or b""):
                continue
            try:
                record = decode(topic, message.value)
            except TerminalError:
                continue
            if video_id_of(record) == video_id:
                key = (topic, clip_id_of(record))
                if key not in last or message.timestamp_s >= last[key].message.timestamp_s:
                    last[key] = Work(message, record)
    return Inputs(tuple(sorted(last.values(), key=_place)), seen_count)


async def run_alone(stage: AnyStage, works: Sequence[Work], topology: Topology, folder: Path) -> list[Replayed]:
    """Set the stage up, let it work on batches as a worker's shell would, and close it.

    `folder` is for what the shell notes meanwhile. StageError if the stage cannot be set up.
    """
    ledger = CrashLedger(folder / "attempts")
    replayed: list[Replayed] = []
    try:
        await stage.setup()
        trial = Trial(stage, ledger, topology)
        for start in range(0, len(works), stage.batch_max):
            endings = await trial.isolated(works[start : start + stage.batch_max])
            replayed += [_replayed(work, ending) for work, ending in endings]
    finally:
        await stage.close()
        ledger.close()
    return replayed


def _replayed(work: Work, ending: Ending) -> Replayed:
    if isinstance(ending, tuple):
        return Replayed(work, emissions=ending)
    if isinstance(ending, StageError):
        kinds = ((TerminalError, TERMINAL), (DeferError, DEFERRED))
        kind = next((kind for error, kind in kinds if isinstance(ending, error)), TRANSIENT)
        return Replayed(work, failure=Failure(kind, ending.reason, str(ending)))
    return Replayed(work, failure=ending)


def _place(work: Work) -> tuple[int, int, int]:
    return getattr(work.record, "index", 0), work.message.partition.number, work.message.offset
