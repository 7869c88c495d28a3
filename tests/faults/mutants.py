"""Planted mutants: what somebody might break, one at a time, to see that the oracle of these tests would tell.

Each changes the running program before it begins, and takes away one thing on which the delivery contract stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any


def ack_first() -> None:
    """A message is acknowledged when it is taken, before the work."""
    from vta_stream.stream.shell import Shell

    admit = Shell._admit

    def admit_and_ack(self: Shell, message: Any) -> Any:
        work = admit(self, message)
        if work is not None:
            self.acks.finish(message.partition, message.offset)
        return work

    Shell._admit = admit_and_ack  # type: ignore[method-assign]


def no_guards() -> None:
    """Neither are offsets skipped that the lake holds, nor are known clips left out."""
    no_offset_skip()
    no_anti_join()


def no_offset_skip() -> None:
    """One of the two guards is gone."""
    from vta_stream.stores.offsets import Offsets

    Offsets.holds = lambda self, position: False  # type: ignore[method-assign]


def no_anti_join() -> None:
    """The other one is gone."""
    from vta_stream.stores.batch import Batch

    Batch._known_clips = lambda self, clip_ids: set()  # type: ignore[method-assign]


def no_truncate() -> None:
    """Recovery believes what it finds: an open shard is not cut back to its committed bytes."""
    from vta_stream.stores.shards import OpenShard

    def count_only(self: OpenShard) -> None:
        self.data_bytes, self.sample_count = self.row.data_bytes, self.row.sample_count

    OpenShard.truncate = count_only  # type: ignore[method-assign]


def rename_before_commit() -> None:
    """A full shard gets its final name before the transaction that fills it is committed."""
    from vta_stream.stores.shard_set import ShardSet

    save = ShardSet.save

    def seal_and_save(self: ShardSet, lake: Any) -> None:
        for path in self._full:
            self._touched[path].end()
            self._touched[path].rename()
        save(self, lake)

    ShardSet.save = seal_and_save  # type: ignore[method-assign]


def no_await_on_dead_letter() -> None:
    """A dead letter is handed to the producer and not waited for: it is on its way while its input is acknowledged."""
    from vta_stream.stream.settling import Settler

    settle = Settler.settle
    sending: list[asyncio.Task[None]] = []

    async def send_later(self: Settler, endings: Sequence[Any]) -> None:
        await asyncio.sleep(3600)
        await settle(self, endings)

    async def settle_without_waiting(self: Settler, endings: Sequence[Any]) -> None:
        dead = [ending for ending in endings if not isinstance(ending[1], tuple)]
        if dead:
            sending.append(asyncio.create_task(send_later(self, dead)))
        alive = [ending for ending in endings if isinstance(ending[1], tuple)]
        if alive:
            await settle(self, alive)

    Settler.settle = settle_without_waiting  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        ack_first, no_guards, no_offset_skip, no_anti_join, no_truncate, rename_before_commit, no_await_on_dead_letter,
    )
}  # fmt: skip


def plant(name: str) -> None:
    """Apply one of them to this process."""
    MUTANTS[name]()
