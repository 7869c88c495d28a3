"""The seven agents on the embedded broker, fed by the journal: nothing is lost by a stop, a kill or the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stream import chain
from vta_stream.domain.delivery import Delivery
from vta_stream.ports import Outcome
from vta_stream.stream import journal_keeper
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.contracts import check_record, contracts
from vta_stream.stream.embedded import EmbeddedBroker
from vta_stream.stream.hosting import Worker
from vta_stream.stream.journal import Journal, journal_file
from vta_stream.stream.journal_keeper import JournalKeeper

PATIENCE_S = 90
VIDEOS = [*(f"v{number}" for number in range(40)), "flaky-1", "defer-1"]


class Forgetful(chain.Download):
    """Takes each `lost-…` for done at the first time, as if the broker had dropped what came of it."""

    async def work(self, delivery: Delivery[Any]) -> Outcome:
        video_id = delivery.record.video_id
        if video_id.startswith("lost-") and self.calls.count([video_id]) == 1:
            return ()
        return await super().work(delivery)


@asynccontextmanager
async def _running(folder: Path, out: Path) -> AsyncIterator[tuple[Worker, BrokerConnection, dict[str, Any]]]:
    def ended(ids: Iterable[str]) -> set[str]:
        found = chain.stored(out)
        return {video_id for video_id in ids if chain.everything_of(found, [video_id])}

    settings = chain.make_settings("unused:1", "vta", folder)
    stages = {**chain.seven(out), "download": Forgetful("download")}
    with EmbeddedBroker(settings.state_dir, "vta") as connection:
        keeper = JournalKeeper(Journal(journal_file(folder)), connection, "vta", ended)
        await asyncio.to_thread(keeper.start)
        worker = Worker(stages, settings, connection)
        await worker.start()
        try:
            yield worker, connection, stages
        finally:
            await worker.stop()
            await asyncio.to_thread(keeper.stop)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_second_start_finishes_what_the_first_began_and_no_more(tmp_path: Path) -> None:
    out = tmp_path / "out"
    Journal(journal_file(tmp_path)).append(chain.requests(*VIDEOS))
    async with _running(tmp_path, out):
        await _until(lambda: len(chain.stored(out)["videos.done"]) >= 5)
    over = {video_id for video_id in VIDEOS if chain.everything_of(chain.stored(out), [video_id])}
    async with _running(tmp_path, out) as (_, _, stages):
        await _until(lambda: chain.everything_of(chain.stored(out), VIDEOS))
        again = {video_id for call in stages["download"].calls for video_id in call}
    assert again.isdisjoint(over)
    assert again | over == set(VIDEOS)


@pytest.mark.slow
async def test_what_the_broker_forgot_goes_round_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_keeper, "IDLE_S", 1.0)
    out = tmp_path / "out"
    journal = Journal(journal_file(tmp_path))
    async with _running(tmp_path, out):
        await chain.publish(
            _address(tmp_path), "vta", chain.requests("lost-1", "v1", "flaky-2")
        )  # by a client that knows nothing of the journal
        await _until(lambda: chain.everything_of(chain.stored(out), ["v1", "lost-1", "flaky-2"]))
        await _until(lambda: journal.size_bytes() == 0)
    assert chain.stored(out)["videos.done"].count("v1") == 1


@pytest.mark.slow
async def test_every_record_on_the_wire_keeps_its_contract(tmp_path: Path) -> None:
    from aiokafka import AIOKafkaConsumer

    out = tmp_path / "out"
    videos = ["v1", "v2", "flaky-1", "dead-1", "bug-1"]
    seen: dict[str, int] = {}
    async with _running(tmp_path, out) as (_, connection, _):
        topics = [contract.topic("vta") for contract in contracts().values()]
        consumer = AIOKafkaConsumer(*topics, **connection.aiokafka_options(), auto_offset_reset="earliest")
        Journal(journal_file(tmp_path)).append(chain.requests(*videos))
        async with consumer, asyncio.timeout(PATIENCE_S):
            while seen.get("vta.dead-letters", 0) < 3 or seen.get("vta.videos.done", 0) < 4:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        check_record(record.topic, record.value)
                        assert dict(record.headers).keys() <= _headers(record.topic)
                        seen[record.topic] = seen.get(record.topic, 0) + 1
    assert seen["vta.transcribe.retries"] == 2
    assert seen.keys() >= {f"vta.{name}" for name in ("videos", "clips.scored", "clips.rejected", "clips.embedded")}


def _headers(topic: str) -> set[str]:
    return set(contracts()[topic.removeprefix("vta.")].headers)


def _address(folder: Path) -> str:
    from vta_stream.stream.discovery import embedded_address

    found = embedded_address(folder / "state")
    assert found is not None
    return found.bootstrap_servers
