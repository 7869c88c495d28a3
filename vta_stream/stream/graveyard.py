"""The dead letters, on the topic or in the dataset, and the requests that lead to their inputs again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from vta_stream.domain.clip import SegmentedVideo
from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.ids import YOUTUBE_ID
from vta_stream.domain.request import parse_request
from vta_stream.domain.transcript import TranscribedVideo
from vta_stream.domain.video import Video, VideoRequest
from vta_stream.ports import TerminalError
from vta_stream.stream.advice import advice_for
from vta_stream.stream.codec import decode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.message import DEAD_LETTERS
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

    def request(self, known: Callable[[str], VideoRequest | None]) -> VideoRequest:
        """The request that leads to this input again; `known` looks one up by the video's ID.

        A failed video's media are gone, so whatever stage failed, it starts from the request. What the dataset
        holds already is not added again. GraveyardError if there is no telling what was asked for.
        """
        try:
            record = decode(self.letter.topic, self.input_value)
        except TerminalError as error:
            raise GraveyardError(f"{self.name}: its input cannot be read, so it would fail again: {error}") from error
        found = _request_in(record) or known(record.video_id)
        if found is not None:
            return found
        if YOUTUBE_ID.fullmatch(record.video_id):
            return parse_request(record.video_id.encode())
        raise GraveyardError(
            f"{self.name}: the dataset does not know the URL of {record.video_id} (yet); use: vta-stream submit URL"
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


def _request_in(record: object) -> VideoRequest | None:
    match record:
        case VideoRequest():
            return record
        case Video():
            return record.request
        case TranscribedVideo():
            return record.video.request
        case SegmentedVideo():
            return record.transcribed.video.request
    return None
