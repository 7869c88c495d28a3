"""A stage, and what it says of its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.ports.errors import StageError

R_contra = TypeVar("R_contra", contravariant=True)


Outcome = tuple[Emission, ...] | StageError
"""What a stage says of one delivery: the records to send on, or the failure as a value."""


class Stage(Protocol[R_contra]):
    """One step of work that knows no Kafka.

    `batch_max` deliveries at most reach `process` at once (1: no batching); `batch_wait_s` is how long
    the shell waits to fill a batch. `concurrency` calls of `process` may run at a time. An `ordered`
    stage gets deliveries of a partition strictly in offset order, one call at a time, and is retried in
    place: a later record never overtakes an earlier one.
    """

    name: str
    batch_max: int
    batch_wait_s: float
    concurrency: int
    ordered: bool

    async def setup(self) -> None:
        """Load weights, open files. Raises StageError with what is missing and how to get it."""

    async def process(self, deliveries: Sequence[Delivery[R_contra]]) -> Sequence[Outcome]:
        """Work on the deliveries off the event loop; one outcome each, in their order.

        An exception that is no StageError is a defect: the shell runs the batch again one by one, and
        the delivery that raises alone goes to the dead letters as `unknown`.
        """

    async def close(self) -> None:
        """Release what `setup` took. Safe to call twice, and after a failed `setup`."""


AnyStage = Stage[Any]
"""A stage, whatever its records are."""


@runtime_checkable
class KeepsOffsets(Protocol):
    """A stage that remembers itself how far each log was read."""

    async def check_log_ends(self, ends: Mapping[tuple[str, str, int], int]) -> None:
        """Asked after `setup`, before the first record: TerminalError if a log ends before what was read of it.

        `ends`: (cluster id, topic id, partition) to the offset that is written next; unknown logs are fine.
        """
