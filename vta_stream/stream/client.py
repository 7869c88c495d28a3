"""aiokafka's consumer inside Faust's, which runs on a loop of its own in a thread of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from vta_stream.stream.acks import Partition


class ConsumerClient:
    """What Faust does not offer of it, called where it lives. All raise what aiokafka raises, and wait as long."""

    def __init__(self, faust_consumer: Any) -> None:
        self._faust = faust_consumer

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Of each partition the offset that is written next."""
        found = await self._call("end_offsets", [_tp(partition) for partition in partitions])
        return {Partition(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def committed(self, partition: Partition) -> int | None:
        """The offset that the group has committed, None if none."""
        offset: int | None = await self._call("committed", _tp(partition))
        return offset

    async def position(self, partition: Partition) -> int:
        """The offset that is fetched next."""
        offset: int = await self._call("position", _tp(partition))
        return offset

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the next offset of each partition for the group."""
        await self._call("commit", {_tp(partition): offset for partition, offset in offsets.items()})

    async def seek(self, partition: Partition, offset: int) -> None:
        """Fetch from there on."""

        async def seek() -> None:
            self._aiokafka.seek(_tp(partition), offset)

        await self._run(seek)

    async def seek_to_commits(self) -> tuple[dict[Any, int | None], dict[Partition, int]]:
        """Fetch from the commits on, and from the beginning where there is none.

        Returns the commit of each of aiokafka's partitions that are assigned, and where those begin that have none.
        """

        async def seek() -> tuple[dict[Any, int | None], dict[Any, int]]:
            committed = await self._aiokafka.seek_to_committed()
            fresh = [tp for tp, offset in committed.items() if not offset]
            starts = await self._aiokafka.beginning_offsets(fresh) if fresh else {}
            for tp, offset in starts.items():
                self._aiokafka.seek(tp, offset)
            return committed, starts

        committed, starts = await self._run(seek)
        return committed, {Partition(tp.topic, tp.partition): offset for tp, offset in starts.items()}

    async def _call(self, name: str, *arguments: Any) -> Any:
        return await self._run(getattr(self._aiokafka, name), *arguments)

    async def _run(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        return await self._faust._thread.call_thread(function, *arguments)

    @property
    def _aiokafka(self) -> Any:
        return self._faust._thread._consumer


def _tp(partition: Partition) -> Any:
    from aiokafka import TopicPartition

    return TopicPartition(partition.topic, partition.number)
