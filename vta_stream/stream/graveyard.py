"""The dead letters, whether they lie on the topic or in the dataset, and sending their inputs round again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.request import parse_request
from vta_stream.ports import TerminalError
from vta_stream.settings import Settings
from vta_stream.stream.advice import advice_for, submit_again
from vta_stream.stream.codec import decode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.contracts import ContractError, check_record
from vta_stream.stream.message import DEAD_LETTERS, Outgoing, full_topic
from vta_stream.stream.publishing import KafkaPublisher, publisher_for
from vta_stream.stream.reading import ReadingError, read_topic


class GraveyardError(Exception):
    """The dead letters cannot be read, or one of them cannot be retried; the text says why."""


@dataclass(frozen=True, slots=True)
class Grave:
    """A dead letter and its name.

    On the topic that is `partition:offset`. In the dataset, which does not know where the letter lay, it is `d`
    and eight hex digits that depend on its cluster, stage and input, and so stay the same.
    """

    letter: DeadLetter
    name: str

    @property
    def input_value(self) -> bytes:
        """The input as it came."""
        return base64.b64decode(self.letter.value) if self.letter.value_base64 else self.letter.value.encode()

    @property
    def advice(self) -> str:
        """What a person might do."""
        return advice_for(self.letter.kind, self.letter.reason)

    def called(self, names: Collection[str]) -> bool:
        """True if its own name or its video's ID is among the names."""
        return self.name in names or self.letter.video_id in names

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
    """All dead letters on the topic now, partition by partition; an error in the place of each unreadable one.

    Raises GraveyardError if the broker or the topic is not there.
    """
    try:
        for message in read_topic(connection, prefix, DEAD_LETTERS):
            name = f"{message.partition.number}:{message.offset}"
            try:
                yield Grave(decode(DEAD_LETTERS, message.value), name)
            except TerminalError as unreadable:
                yield GraveyardError(f"{name}: {unreadable}")
    except ReadingError as error:
        raise GraveyardError(str(error)) from error


def graves_of(stored: Iterable[tuple[str, DeadLetter]]) -> Iterator[Grave]:
    """Those of the dataset, out of (cluster id, dead letter)."""
    for cluster_id, letter in stored:
        lay = (cluster_id, letter.stage, letter.topic, str(letter.partition), str(letter.offset))
        yield Grave(letter, "d" + hashlib.sha256("\0".join(lay).encode()).hexdigest()[:8])


class Resender:
    """Sends inputs again: to the topic they came from, or, while no broker runs, to the journal of requests."""

    def __init__(self, settings: Settings, connection: BrokerConnection | None) -> None:
        self._settings = settings
        self._prefix = settings.kafka.topic_prefix
        self._kafka = KafkaPublisher(connection, self._prefix) if connection else None
        self.place = f"the topics on {connection.bootstrap_servers}" if connection else publisher_for(settings).place

    def send(self, grave: Grave, *, force: bool = False) -> None:
        """Return once it is safe. `force` sends it even if it can only fail again.

        GraveyardError if it cannot be sent, PublishError if it was not taken.
        """
        if not force:
            grave.check_input()
        if self._kafka:
            self._kafka.send([grave.again(self._prefix)])
        elif grave.letter.topic == "videos":
            self._write_down(grave)
        else:
            video_id = grave.letter.video_id
            remedy = submit_again(video_id) if video_id else "vta-stream submit"
            raise GraveyardError(
                f"{grave.name}: its input lay on {grave.letter.topic}, and there is no broker with that topic now; "
                f"submit the video again: {remedy}"
            )

    def _write_down(self, grave: Grave) -> None:
        try:
            request = parse_request(grave.input_value)
        except ValueError as error:
            raise GraveyardError(f"{grave.name}: the journal takes no such request: {error}") from error
        publisher_for(self._settings).publish([request])
