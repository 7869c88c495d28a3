from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from vta_stream.domain.clip import Caption, Features
from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.scores import Scores
from vta_stream.domain.verdict import Verdict
from vta_stream.domain.video import Subtitle
from vta_stream.ports import TerminalError
from vta_stream.stream.codec import decode, encode, video_id_of
from vta_stream.stream.records import RECORDS

LETTER = DeadLetter(
    "download", "videos", 0, 7, "vid-1", "/w==", True, None, None, "terminal", "bad_message", "ü", None, 1, 1.5
)
FULL_CLIP = builders.clip(
    scores=Scores({"motion": 1.0}, {"clip_match": "no frames"}),
    verdicts=(Verdict("motion", True, "moves", 1.0, 0.5), Verdict("clip_match", False, "no frames")),
    captions=(Caption("coca", "a circle", "m", 0.3),),
    features=Features("m", "a/b.npz", 512, 8),
    judged_at_s=12.25,
)
FULL_VIDEO = builders.video(
    subtitles=(Subtitle("en", "manual", "vtt", path="a.vtt"), Subtitle(None, "automatic", "mov_text", stream_index=2)),
    metadata={"title": "ü", "tags": ("a", "b"), "views": 3, "rating": 1.5, "live": False, "license": None},
)
EXAMPLES: list[tuple[str, Any]] = [
    ("videos", builders.request(priority=2, labels={"a": "b"}, language="en")),
    ("videos.downloaded", FULL_VIDEO),
    ("videos.transcribed", builders.transcribed(video=FULL_VIDEO)),
    ("videos.done", builders.segmented_video(reason="no_speech")),
    *((topic, FULL_CLIP) for topic in RECORDS if topic.startswith("clips.")),
    ("dead-letters", LETTER),
]


def test_every_topic_has_an_example() -> None:
    assert {topic for topic, _ in EXAMPLES} == set(RECORDS)


@pytest.mark.parametrize(("topic", "record"), EXAMPLES, ids=[topic for topic, _ in EXAMPLES])
def test_a_record_comes_back_as_it_went(topic: str, record: Any) -> None:
    assert decode(topic, encode(topic, record)) == record


def test_a_record_does_not_fit_on_another_topic() -> None:
    with pytest.raises(TypeError, match=r"clips\.scored carries Clip, not Video"):
        encode("clips.scored", builders.video())


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("videos", b"nonsense"),
        ("clips.scored", None),
        ("clips.scored", b""),
        ("clips.scored", b"{}"),
        ("clips.scored", b"\xff"),
        ("clips.scored", b"[" * 100_000),
        ("clips.scored", encode("clips.scored", builders.clip()).replace(b'"index":0', b'"index":"0"')),
        ("clips.scored", encode("clips.scored", builders.clip()).replace(b'"start_s":1.0', b'"start_s":9.0')),
    ],
)
def test_junk_is_terminal(topic: str, value: bytes | None) -> None:
    with pytest.raises(TerminalError) as caught:
        decode(topic, value)
    assert caught.value.reason == "bad_message"
    assert topic in str(caught.value)


def test_a_field_of_a_newer_writer_is_passed_over() -> None:
    value = encode("clips.scored", builders.clip())
    assert decode("clips.scored", value[:-1] + b',"new":1}') == builders.clip()


@pytest.mark.parametrize("record", [record for _, record in EXAMPLES if record is not LETTER])
def test_the_key_is_the_video(record: Any) -> None:
    assert video_id_of(record) == "vid-1"
