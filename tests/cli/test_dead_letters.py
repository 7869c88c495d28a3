"""dead-letters list, show and retry, on a real Kafka and on the embedded broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.builders import segmented_video, transcribed, video
from tests.kafka_process import create_topics
from vta_stream.cli import main
from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.request import parse_request
from vta_stream.stream.codec import encode
from vta_stream.stream.contracts import check_record
from vta_stream.stream.embedded import EmbeddedBroker

PRIVATE = DeadLetter(
    stage="download",
    topic="videos",
    partition=0,
    offset=7,
    key="dQw4w9WgXcQ",
    value='{"id":"dQw4w9WgXcQ","priority":3}',
    value_base64=False,
    video_id="dQw4w9WgXcQ",
    clip_id=None,
    kind="terminal",
    reason="private",
    message="this video is private",
    traceback=None,
    attempt=4,
    failed_at_s=1_700_000_000.0,
)
JUNK = replace(
    PRIVATE,
    key=None,
    value="//4=",
    value_base64=True,
    video_id=None,
    reason="bad_message",
    message="not \x1b[31m UTF-8",
    traceback="Traceback:\n  ValueError",
    failed_at_s=1_700_000_100.0,
)


class Cemetery:
    """A broker with dead letters in one partition, and the command on it."""

    def __init__(self, address: str, prefix: str, data: Path) -> None:
        self.address, self.prefix, self.data = address, prefix, data

    def bury(self, letters: Sequence[DeadLetter | bytes]) -> None:
        producer = Producer({"bootstrap.servers": self.address, "log_level": 2})
        for letter in letters:
            value = letter if isinstance(letter, bytes) else encode("dead-letters", letter)
            producer.produce(f"{self.prefix}.dead-letters", value=value, partition=0)
        assert producer.flush(30) == 0

    def run(self, *arguments: str) -> Result:
        environment = {
            "VTA_STREAM__KAFKA__BOOTSTRAP_SERVERS": self.address,
            "VTA_STREAM__KAFKA__TOPIC_PREFIX": self.prefix,
        }
        arguments = ("--data-dir", str(self.data), "dead-letters", *arguments)
        return CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False)

    def sent(self, count: int) -> list[tuple[bytes | None, bytes | None]]:
        """What is on the input topic: exactly `count`."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "reader", "log_level": 2})
        topic = f"{self.prefix}.videos"
        found: list[tuple[bytes | None, bytes | None]] = []
        for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            consumer.assign([TopicPartition(topic, number, first)])
            if first < end:
                found += [(message.key(), message.value()) for message in consumer.consume(end - first, 20)]
        consumer.close()
        assert len(found) == count
        return found


@pytest.fixture
def cemetery(kafka: str, topic_prefix: str, tmp_path: Path) -> Cemetery:
    create_topics(kafka, f"{topic_prefix}.dead-letters", f"{topic_prefix}.videos", partitions=2)
    return Cemetery(kafka, topic_prefix, tmp_path)


@pytest.mark.kafka
def test_list_counts_all_and_shows_the_newest(cemetery: Cemetery) -> None:
    assert cemetery.run("list").stdout == "No dead letters.\n"
    cemetery.bury([PRIVATE, replace(PRIVATE, failed_at_s=1.0), JUNK])
    answer = json.loads(cemetery.run("list", "--limit", "2", "--json").stdout)
    assert answer["counts"] == [
        {"stage": "download", "reason": "private", "count": 2},
        {"stage": "download", "reason": "bad_message", "count": 1},
    ]
    assert [letter["id"] for letter in answer["dead_letters"]] == ["0:2", "0:0"]
    told = cemetery.run("list", "--reason", "private").stdout
    assert "this video is private" in told
    assert "bad_message" not in told


@pytest.mark.kafka
def test_show_explains(cemetery: Cemetery) -> None:
    cemetery.bury([PRIVATE, JUNK])
    told = cemetery.run("show", "dQw4w9WgXcQ").stdout
    for part in (
        "download, attempt 4",
        "private (terminal)",
        '"priority": 3',
        "dead-letters retry 0:0",
        "can never work",
    ):
        assert part in told
    told = cemetery.run("show", "0:1").stdout
    assert "ValueError" in told
    assert "\x1b" not in told, "a stranger's message must not steer the terminal"
    assert "//4=" in told
    (row,) = json.loads(cemetery.run("show", "0:0", "--json").stdout)
    assert row["id"] == "0:0"
    assert row["video_id"] == "dQw4w9WgXcQ"
    missing = cemetery.run("show", "7:7")
    assert missing.exit_code == 1
    assert "7:7" in missing.stderr


@pytest.mark.kafka
def test_retry_publishes_the_request_again(cemetery: Cemetery) -> None:
    cemetery.bury([PRIVATE, JUNK])
    done = cemetery.run("retry", "0:0")
    assert (done.exit_code, done.stdout) == (0, "1 videos published again\n")
    ((key, value),) = cemetery.sent(1)
    assert key == b"dQw4w9WgXcQ"
    assert value is not None
    assert parse_request(value) == parse_request(PRIVATE.value.encode())
    check_record("videos", value)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("topic", "record"),
    [
        ("videos.downloaded", video("vid-7")),
        ("videos.transcribed", transcribed("vid-7", video=video("vid-7"))),
        ("videos.done", segmented_video("vid-7")),
    ],
)
def test_retry_starts_from_the_request_whatever_stage_failed(cemetery: Cemetery, topic: str, record: Any) -> None:
    """The media of a failed video are gone, so its input alone would only fail again."""
    cemetery.bury([replace(PRIVATE, topic=topic, video_id="vid-7", value=encode(topic, record).decode())])
    assert cemetery.run("retry", "--all").exit_code == 0
    ((key, value),) = cemetery.sent(1)
    assert key == b"vid-7"
    assert value is not None
    assert parse_request(value) == video("vid-7").request


@pytest.mark.kafka
def test_retry_refuses_what_can_only_fail_again(cemetery: Cemetery) -> None:
    cemetery.bury([JUNK, PRIVATE])
    done = cemetery.run("retry", "--all", "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["sent"] == ["0:1"]
    assert "0:0" in answer["refused"][0]
    cemetery.sent(1)


@pytest.mark.kafka
def test_a_letter_that_cannot_be_read_hides_no_other(cemetery: Cemetery) -> None:
    cemetery.bury([b"junk", PRIVATE])
    done = cemetery.run("list", "--json")
    assert [letter["id"] for letter in json.loads(done.stdout)["dead_letters"]] == ["0:1"]
    assert "passed over 0:0" in done.stderr


@pytest.mark.kafka
@pytest.mark.parametrize("arguments", [(), ("0:0", "--all"), ("0:0", "--stage", "download")])
def test_retry_wants_to_know_which(cemetery: Cemetery, arguments: tuple[str, ...]) -> None:
    assert cemetery.run("retry", *arguments).exit_code == 2


def test_on_the_embedded_broker_too(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "state", "vta") as connection:
        cemetery = Cemetery(connection.bootstrap_servers, "vta", tmp_path)
        cemetery.bury([PRIVATE])
        assert cemetery.run("retry", "--video", "dQw4w9WgXcQ").exit_code == 0
        ((key, value),) = cemetery.sent(1)
        assert key == b"dQw4w9WgXcQ"
        assert value is not None
        assert parse_request(value).priority == 3
