"""Records to bytes and back: JSON by msgspec, strict, checked against the dataclasses."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from vta_stream.domain.request import parse_request, request_value
from vta_stream.domain.video import VideoRequest
from vta_stream.ports import TerminalError
from vta_stream.stream.records import RECORDS

BAD_MESSAGE = "bad_message"

_ENCODER = msgspec.json.Encoder()


def encode(topic: str, record: object) -> bytes:
    """The value of a record on the topic of that contract name.

    Raises TypeError for a record that does not belong there, and KeyError for a topic without a contract.
    """
    if not isinstance(record, RECORDS[topic]):
        raise TypeError(f"{topic} carries {RECORDS[topic].__name__}, not {type(record).__name__}")
    if isinstance(record, VideoRequest):
        return request_value(record)
    return _ENCODER.encode(record)


def decode(topic: str, value: bytes | None) -> Any:
    """The record that a value of that topic holds; raises TerminalError `bad_message` for junk.

    Strict: a number in quotes is no number. Unknown fields are passed over, so that a newer writer can
    add one while an older reader still runs.
    """
    if value is None:
        raise TerminalError(BAD_MESSAGE, f"the message on {topic} has no value (a tombstone)")
    try:
        if topic == "videos":
            return parse_request(value)
        return _decoder(topic).decode(value)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise TerminalError(BAD_MESSAGE, f"the message on {topic} cannot be read: {error}") from error


def video_id_of(record: object) -> str | None:
    """The key of a record: its video's ID. None only for a dead letter of an input that named none."""
    video_id: str | None = getattr(record, "video_id", None)
    return video_id


def clip_id_of(record: object) -> str | None:
    """The clip that the record is about, or None if it is about a whole video."""
    clip_id: str | None = getattr(record, "clip_id", None)
    return clip_id


@cache
def _decoder(topic: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(RECORDS[topic])
