"""The embedded broker: Kafka's clients work on it, and the journal makes up for what it forgets."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer

from tests import builders
from vta_stream.domain.transcript import Word
from vta_stream.domain.verdict import Verdict
from vta_stream.settings import Settings
from vta_stream.stream import journal_keeper
from vta_stream.stream.backlog import Backlog
from vta_stream.stream.codec import encode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.contracts import contracts
from vta_stream.stream.discovery import NoBrokerError, address_file, embedded_address, find_connection
from vta_stream.stream.embedded import EmbeddedBroker, EmbeddedBrokerError
from vta_stream.stream.journal import Ended, Journal
from vta_stream.stream.journal_keeper import JournalKeeper
from vta_stream.stream.message import Outgoing
from vta_stream.stream.producer import KafkaSender
from vta_stream.stream.topics import Topics


def _none(_: object) -> set[str]:
    return set()


def _ids(count: int) -> list[bytes]:
    return [f"{number:011d}".encode() for number in range(count)]


def _until(true: Callable[[], bool], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


@contextmanager
def _kept(state: Path, ended: Ended = _none) -> Iterator[tuple[BrokerConnection, Journal]]:
    journal = Journal(state / "journal.jsonl")
    with EmbeddedBroker(state, "vta") as connection:
        keeper = JournalKeeper(journal, connection, "vta", ended)
        keeper.start()
        yield connection, journal
        keeper.stop()


def _consumer(connection: BrokerConnection, group: str, topic: str) -> Consumer:
    consumer = Consumer(
        {
            **connection.confluent_config(),
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 2,
        }
    )
    consumer.subscribe([topic])
    return consumer


def _take(consumer: Consumer, count: int, limit_s: float = 30) -> list[bytes]:
    """Exactly so many values, committed; and then none for a moment."""
    values: list[bytes] = []
    end = time.monotonic() + limit_s
    while len(values) < count and time.monotonic() < end:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            values.append(message.value())
            consumer.commit(message, asynchronous=False)
    assert len(values) == count
    return values


def _kcat(connection: BrokerConnection, topic: str, text: str) -> None:
    subprocess.run(
        ["kcat", "-P", "-b", connection.bootstrap_servers, "-t", topic], input=text, text=True, check=True, timeout=30
    )


async def test_aiokafka_produces_and_consumes_in_a_group(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, "vta") as connection:
        async with AIOKafkaProducer(**connection.aiokafka_options()) as producer:
            for value in _ids(100):
                await producer.send_and_wait("vta.videos", value, key=value)
        options = {**connection.aiokafka_options(), "group_id": "g", "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer("vta.videos", **options) as consumer:
            found = [(await consumer.getone()).value for _ in range(100)]
    assert sorted(found) == _ids(100)


def test_all_topics_are_there_from_the_start(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, "pre") as connection:
        topics = Topics(connection, "pre")
        assert topics.found().keys() == {contract.topic("pre") for contract in contracts().values()}
        assert topics.diff() == []


def test_other_commands_find_it_while_it_lives(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with EmbeddedBroker(settings.state_dir, "vta") as connection:
        assert find_connection(settings) == connection
        assert connection.embedded
    with pytest.raises(NoBrokerError, match="vta-stream run"):
        find_connection(settings)
    with EmbeddedBroker(settings.state_dir, "vta") as again:
        assert again.run_id != connection.run_id


def test_a_second_one_on_the_same_folder_is_told_of_the_first(tmp_path: Path) -> None:
    with (
        EmbeddedBroker(tmp_path, "vta") as first,
        pytest.raises(EmbeddedBrokerError, match=rf"process {os.getpid()}, at {first.bootstrap_servers}"),
    ):
        EmbeddedBroker(tmp_path, "vta").start()


def test_one_that_was_killed_is_not_found(tmp_path: Path) -> None:
    start = (
        "import sys; from pathlib import Path; from vta_stream.stream.embedded import EmbeddedBroker\n"
        "broker = EmbeddedBroker(Path(sys.argv[1]), 'vta'); broker.start(); print('up', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        found = embedded_address(tmp_path)
        assert found is not None
        assert found.pid == process.pid
        process.send_signal(signal.SIGKILL)
    assert address_file(tmp_path).exists()
    assert embedded_address(tmp_path) is None
    with EmbeddedBroker(tmp_path, "vta"):
        assert embedded_address(tmp_path) != found


def test_what_kcat_publishes_is_published_again_after_a_restart_unless_it_ended(tmp_path: Path) -> None:
    with _kept(tmp_path) as (connection, journal):
        _kcat(connection, "vta.videos", "dQw4w9WgXcQ\nnonsense\nhttps://example.org/a.mp4\nAAAAAAAAAAA\n")
        _until(lambda: len(list(journal.read(0))) == 3)
    with _kept(tmp_path, lambda ids: {"AAAAAAAAAAA"} & set(ids)) as (connection, journal):
        consumer = _consumer(connection, "vta.download", "vta.videos")
        assert sorted(_take(consumer, 2)) == [b"dQw4w9WgXcQ", b"https://example.org/a.mp4"]
        consumer.close()
        assert len(list(journal.read(0))) == 2


def test_what_is_submitted_reaches_the_broker_once(tmp_path: Path) -> None:
    """Before the start, while it runs, and in more than one helping; and the keeper does not follow itself."""
    before = Journal(tmp_path / "journal.jsonl")
    before.append(_ids(100))
    with _kept(tmp_path) as (connection, journal):
        consumer = _consumer(connection, "vta.download", "vta.videos")
        assert sorted(_take(consumer, 100)) == _ids(100)
        journal.append([b"dQw4w9WgXcQ"])
        assert _take(consumer, 1) == [b"dQw4w9WgXcQ"]
        _kcat(connection, "vta.videos", "AAAAAAAAAAA\n")
        assert _take(consumer, 1) == [b"AAAAAAAAAAA"]
        _until(lambda: len(list(journal.read(0))) == 102)
        assert consumer.poll(1) is None
        consumer.close()


def test_publishing_waits_while_the_agents_have_enough_to_do(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl").append(_ids(2000))
    with _kept(tmp_path) as (connection, _):
        backlog = Backlog(connection, "vta")
        _until(lambda: backlog.waiting()["videos"] >= journal_keeper.WAITING_REQUESTS_MAX)
        time.sleep(1)
        assert backlog.waiting()["videos"] <= 2 * journal_keeper.WAITING_REQUESTS_MAX
        consumer = _consumer(connection, "vta.download", "vta.videos")
        assert sorted(_take(consumer, 2000, limit_s=60)) == _ids(2000)
        consumer.close()


def test_publishing_waits_while_clips_pile_up(tmp_path: Path) -> None:
    with _kept(tmp_path) as (connection, journal):
        producer = Producer({**connection.confluent_config(), "log_level": 2})
        for _ in range(journal_keeper.WAITING_RECORDS_MAX):
            producer.produce("vta.clips.scored", value=b"{}", partition=0)
        assert producer.flush(10) == 0
        journal.append([b"dQw4w9WgXcQ"])
        time.sleep(1)
        assert Backlog(connection, "vta").waiting()["videos"] == 0
        consumer = _consumer(connection, "vta.caption", "vta.clips.scored")
        _take(consumer, 10)
        _until(lambda: Backlog(connection, "vta").waiting()["videos"] == 1)
        consumer.close()


def test_what_was_lost_on_the_way_goes_round_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_keeper, "IDLE_S", 0.5)
    over: set[str] = set()
    with _kept(tmp_path, lambda ids: over & set(ids)) as (connection, journal):
        journal.append([b"dQw4w9WgXcQ", b"AAAAAAAAAAA"])
        consumer = _consumer(connection, "vta.download", "vta.videos")
        _take(consumer, 2)
        over.add("AAAAAAAAAAA")
        assert _take(consumer, 1) == [b"dQw4w9WgXcQ"], "acked, and nothing came of it"
        over.add("dQw4w9WgXcQ")
        _until(lambda: journal.size_bytes() == 0)
        assert consumer.poll(1) is None
        consumer.close()


def test_it_keeps_five_mebibytes_a_partition(tmp_path: Path) -> None:
    """The fact that the journal is built round. If librdkafka changes it, we want to know."""
    with EmbeddedBroker(tmp_path, "vta") as connection:
        producer = Producer({**connection.confluent_config(), "log_level": 2, "linger.ms": 0})
        for number in range(1200):
            producer.produce("vta.clips.scored", value=b"x" * 10_000, partition=0)
            if number % 20 == 0:
                assert producer.flush(10) == 0
        assert producer.flush(10) == 0
        waiting = Backlog(connection, "vta").waiting()["clips.scored"]
    assert 400 <= waiting <= 600


async def test_the_clips_of_a_three_hour_video_fit(tmp_path: Path) -> None:
    """They come in one burst and lie in one partition, some 11 MB of them."""
    pick = random.Random(0)
    words = tuple(
        Word("".join(pick.choices("etaoinshrdlu", k=6)), n * 0.4, n * 0.4 + 0.3, pick.random()) for n in range(40)
    )
    verdicts = tuple(Verdict(f"filter_{n}", True, "within its limits", pick.random(), 0.2) for n in range(10))
    clips = [
        builders.clip(start_s=n * 5.0, end_s=n * 5.0 + 16, index=n, words=words, verdicts=verdicts) for n in range(2000)
    ]
    values = [encode("clips.scored", clip) for clip in clips]
    assert sum(map(len, values)) > 8_000_000
    with EmbeddedBroker(tmp_path, "vta") as connection:
        sender = KafkaSender(connection, "test")
        await sender.start()
        await sender.send([Outgoing("vta.clips.scored", b"vid-1", value) for value in values])
        await sender.stop()
        assert Backlog(connection, "vta").waiting()["clips.scored"] == 2000
        consumer = _consumer(connection, "vta.caption", "vta.clips.scored")
        assert [message.value() for message in consumer.consume(2000, 30)] == values
        consumer.close()
