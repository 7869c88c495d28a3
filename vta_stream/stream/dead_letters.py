"""An input that ends here becomes a record: what it was, who failed on it, and why."""

from __future__ import annotations

import base64
import time
import traceback
from dataclasses import dataclass, replace

from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.ids import VIDEO_ID
from vta_stream.stream.codec import clip_id_of, encode, video_id_of
from vta_stream.stream.message import DEAD_LETTERS, Message

TERMINAL, EXHAUSTED, UNKNOWN = "terminal", "exhausted", "unknown"
TRACEBACK_CHARACTERS_MAX = 16 * 1024
MESSAGE_CHARACTERS_MAX = 8 * 1024
VALUE_BYTES_MAX = 900 * 1024
"""A dead letter has to fit into Kafka's default of 1 MiB a message."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an input ends: `kind` and `reason` as in DeadLetter, and the error if there is one to be shown."""

    kind: str
    reason: str
    text: str
    error: BaseException | None = None


def unknown(error: BaseException) -> Failure:
    """An error that nobody classified."""
    return Failure(UNKNOWN, "unknown", f"{type(error).__name__}: {error}", error)


def dead_letter(stage: str, message: Message, record: object | None, failure: Failure, attempt: int) -> DeadLetter:
    """The record for `dead-letters`. `record` is the decoded input, None if it could not be read.

    `attempt` counts from 1 and is the last one.
    The video is the record's, else the key where that could be a video's ID.
    """
    value, in_base64 = _readable(message.value or b"")
    key = message.key.decode("utf-8", "backslashreplace") if message.key is not None else None
    video_id = video_id_of(record) if record is not None else None
    return DeadLetter(
        stage=stage,
        topic=message.origin.topic,
        partition=message.origin.partition,
        offset=message.origin.offset,
        key=key,
        value=value,
        value_base64=in_base64,
        video_id=video_id or (key if key and VIDEO_ID.fullmatch(key) else None),
        clip_id=clip_id_of(record) if record is not None else None,
        kind=failure.kind,
        reason=failure.reason,
        message=_encodable(failure.text)[:MESSAGE_CHARACTERS_MAX],
        traceback=_traceback(failure.error),
        attempt=attempt,
        failed_at_s=time.time(),
    )


def encode_letter(letter: DeadLetter) -> bytes:
    """Its value on the wire. An input too large to be carried whole is cut, and the message says so."""
    value = encode(DEAD_LETTERS, letter)
    kept = letter.value
    while len(value) > VALUE_BYTES_MAX:
        kept = kept[: len(kept) // 2]
        note = f"{letter.message} (of the input's {len(letter.value)} characters, {len(kept)} are kept)"
        value = encode(DEAD_LETTERS, replace(letter, value=kept, message=note))
    return value


def _readable(value: bytes) -> tuple[str, bool]:
    try:
        return value.decode("utf-8"), False
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii"), True


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _traceback(error: BaseException | None) -> str | None:
    if error is None or (error.__traceback__ is None and error.__cause__ is None):
        return None
    text = "".join(traceback.format_exception(error))
    return _encodable(text)[-TRACEBACK_CHARACTERS_MAX:]
