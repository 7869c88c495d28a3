from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vta_stream.stream.acks import Partition
from vta_stream.stream.message import Message, Origin, message_from_retries, retry_of

RETRIES = Partition("p.store.retries", 2)
INPUTS = ("clips.embedded", "videos.done")


def test_a_retry_remembers_where_it_came_from() -> None:
    first = Message(Partition("p.videos.done", 1), 7, b"k", b"v", 1.0, Origin("videos.done", 1, 7))
    sent = retry_of(first, "p.store.retries", 2, 99.5, "disk_full")
    again = message_from_retries(RETRIES, 3, sent.key, sent.value, 2.0, sent.headers, INPUTS)
    assert again == Message(RETRIES, 3, b"k", b"v", 2.0, Origin("videos.done", 1, 7), 2, 99.5)
    assert dict(sent.headers)["reason"] == b"disk_full"


def test_a_foreign_message_is_a_first_attempt_at_the_first_topic() -> None:
    assert message_from_retries(RETRIES, 3, None, b"v", 2.0, (), INPUTS) == Message(
        RETRIES, 3, None, b"v", 2.0, Origin("clips.embedded", 2, 3)
    )


@given(st.dictionaries(st.sampled_from(["attempt", "not_before", "topic", "partition", "offset"]), st.binary()))
def test_headers_that_make_no_sense_do_no_harm(headers: dict[str, bytes]) -> None:
    message = message_from_retries(RETRIES, 3, None, b"v", 2.0, tuple(headers.items()), INPUTS)
    assert message.attempt >= 1
    assert message.origin.topic in INPUTS
    assert message.not_before_s == message.not_before_s
