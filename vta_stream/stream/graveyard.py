"""Reading the dead letters, saying what they mean, and sending their inputs round again."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vta_stream.domain.delivery import DeadLetter
from vta_stream.ports import TerminalError
from vta_stream.stream.codec import decode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.contracts import ContractError, check_record
from vta_stream.stream.dead_letters import EXHAUSTED, UNKNOWN
from vta_stream.stream.message import DEAD_LETTERS, Outgoing, full_topic

if TYPE_CHECKING:
    from confluent_kafka import Consumer

ANSWER_S = 15.0

KIND_ADVICE = {
    "terminal": "The stage says that this can never work with this input and these settings.",
    EXHAUSTED: "It failed too often in a way that may pass. Once the cause is gone, retry it.",
    UNKNOWN: "Nobody foresaw this error, or the process died of it: a defect of the program. Report it with the "
    "traceback; retry it after an update.",
}
REASON_ADVICE = {
    "bad_message": "Nothing can be made of the message. Mend whatever published it, and publish it rightly.",
    "not_allowed": "Allow the source in the settings (download.url_hosts, download.file_roots, download.youtube) if it "
    "shall be taken, then retry it.",
    "disk_full": "Make room, then retry it.",
    "media_gone": "The media of this stage are not in the media store any more. Submit the video again.",
    "media_changed": "The media are not those of the message. Submit the video again.",
    "features_gone": "The features are not in the media store any more. Submit the video again.",
}


class GraveyardError(Exception):
    """The dead letters cannot be read, or one of them cannot be retried; the text says why."""


@dataclass(frozen=True, slots=True)
class Grave:
    """A dead letter and where it lies, which is its name: `partition:offset`."""

    letter: DeadLetter
    partition: int
    offset: int

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.partition}:{self.offset}"

    @property
    def input_value(self) -> bytes:
        """The input as it came."""
        return base64.b64decode(self.letter.value) if self.letter.value_base64 else self.letter.value.encode()

    @property
    def advice(self) -> str:
        """What a person might do."""
        special = REASON_ADVICE.get(self.letter.reason)
        return special or KIND_ADVICE.get(self.letter.kind, "Look at the message and the traceback.")

    def check_input(self) -> None:
        """Raise GraveyardError if sending the input again could only fail again."""
        try:
            check_record(self.letter.topic, self.input_value)
        except ContractError as error:
            raise GraveyardError(f"{self.name}: its input cannot be read, so it would fail again: {error}") from error

    def again(self, prefix: str) -> Outgoing:
        """The input, for the topic it came from: the same key and value, and a first attempt."""
        key = self.letter.key
        return Outgoing(
            full_topic(prefix, self.letter.topic), key.encode() if key is not None else None, self.input_value
        )


def read_graves(connection: BrokerConnection, prefix: str) -> Iterator[Grave | GraveyardError]:
    """All dead letters there are now, partition by partition; an error in the place of each unreadable one.

    Nothing is committed, so that everybody always sees all. Raises GraveyardError if the broker or the topic
    is not there.
    """
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    topic = full_topic(prefix, DEAD_LETTERS)
    settings = {"group.id": f"{topic}.reader", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({**connection.confluent_config(), **settings, "log_level": 2})
    try:
        found = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
        if found.error is not None:
            raise GraveyardError(f"{topic}: {found.error.str()}. Make the topics with: vta-stream topics apply")
        for number in sorted(found.partitions):
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_S)
            if first < end:
                consumer.assign([TopicPartition(topic, number, first)])
                yield from _read(consumer, number, first, end)
    except KafkaException as error:
        raise GraveyardError(f"the broker does not answer: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _read(consumer: Consumer, partition: int, first: int, end: int) -> Iterator[Grave | GraveyardError]:
    """What lies in [first, end) of the partition that the consumer was just assigned."""
    from confluent_kafka import KafkaException

    heard_s = time.monotonic()
    while first < end:
        for message in consumer.consume(min(500, end - first), 0.5):
            error, offset = message.error(), message.offset()
            if error is not None:
                raise KafkaException(error)
            assert offset is not None
            heard_s, first = time.monotonic(), offset + 1
            if offset >= end:
                return
            try:
                yield Grave(decode(DEAD_LETTERS, message.value()), partition, offset)
            except TerminalError as unreadable:
                yield GraveyardError(f"{partition}:{offset}: {unreadable}")
        if time.monotonic() - heard_s > ANSWER_S:
            raise GraveyardError(f"the broker went silent before offset {first} of partition {partition}")
