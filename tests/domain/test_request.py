from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vta_stream.domain.ids import VIDEO_ID
from vta_stream.domain.request import parse_request, request_value
from vta_stream.domain.video import VideoRequest

WATCH = "https://www.youtube.com/watch?v="


@pytest.mark.parametrize("value", [b"dQw4w9WgXcQ", b"  dQw4w9WgXcQ\r\n", b'{"id":"dQw4w9WgXcQ"}'])
def test_a_bare_id_is_a_youtube_video(value: bytes) -> None:
    assert parse_request(value) == VideoRequest("dQw4w9WgXcQ", WATCH + "dQw4w9WgXcQ", "youtube")


def test_an_id_may_begin_with_a_hyphen() -> None:
    assert parse_request(b"-Qw4w9WgXcQ").video_id == "-Qw4w9WgXcQ"


@pytest.mark.parametrize(
    "url",
    [
        WATCH + "-Qw4w9WgXcQ",
        "http://youtube.com/watch?list=PL1&v=-Qw4w9WgXcQ&t=9",
        "https://m.youtube.com/watch/?v=-Qw4w9WgXcQ",
        "https://youtu.be/-Qw4w9WgXcQ?si=x",
        "https://WWW.YouTube.com/shorts/-Qw4w9WgXcQ",
        "https://www.youtube-nocookie.com/embed/-Qw4w9WgXcQ",
        "https://www.youtube.com/live/-Qw4w9WgXcQ#top",
    ],
)
def test_youtube_pages_become_the_one_request(url: str) -> None:
    assert parse_request(url.encode()) == VideoRequest("-Qw4w9WgXcQ", WATCH + "-Qw4w9WgXcQ", "youtube")


def test_other_urls_get_a_stable_id_and_lose_their_fragment() -> None:
    request = parse_request(b"https://example.org/a/My%20talk.mp4?x=1#t=5")
    assert (request.source, request.url) == ("url", "https://example.org/a/My%20talk.mp4?x=1")
    assert request.video_id.startswith("My_talk-")
    assert request == parse_request(b"https://example.org/a/My%20talk.mp4?x=1")


def test_a_file() -> None:
    request = parse_request(b"file:///srv/in/talk%231.mp4")
    assert (request.source, request.url) == ("file", "file:///srv/in/talk%231.mp4")


def test_all_options() -> None:
    value = {
        "video_id": "mine-1", "url": "https://example.org/v.mp4", "source": "url",
        "priority": -3, "labels": {"set": "a ü"}, "language": "pt-BR",
    }  # fmt: skip
    assert parse_request(json.dumps(value).encode()) == VideoRequest(
        "mine-1", "https://example.org/v.mp4", "url", -3, "pt-BR", {"set": "a ü"}
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"x" * 20_000, "too long"),
        (b"dQw4w9WgXc", "neither"),
        (b"dQw4w9WgXcQ\x00", "neither"),
        (b"dQw4w9WgXcQ dQw4w9WgXcQ", "neither"),
        (b"ftp://example.org/a", "scheme"),
        (b"https:///a.mp4", "no host"),
        (b"https://example.org:99999/a", "not a URL"),
        (b"https://[::1/a", "not a URL"),
        (b"https://me:secret@example.org/a.mp4", "credentials"),
        (b"https://me@example.org/a.mp4", "credentials"),
        (b"https://example.org/a b", "white space"),
        (b"https://example.org/\x01", "control"),
        ("https://example.org/\u0085x".encode(), "white space"),
        (b"https://example.org/" + b"a" * 3000, "too long"),
        (b"https://www.youtube.com/playlist?list=PL1", "without a video"),
        (b"https://www.youtube.com/watch?v=short", "without a video"),
        (b"https://youtu.be/", "without a video"),
        (b"file://host/a.mp4", "absolute path"),
        (b"file:///", "absolute path"),
        (b"file:///a/", "absolute path"),
        (b"file:///a%00.mp4", "control"),
        (b"file:///a.mp4#x", "%23"),
        (b"[1]", "object"),
        (b"{", "JSON"),
        (b"{" * 9000, "JSON"),
        (b'{"id":' + b"[" * 9000, "nested"),
        (b"{}", "missing"),
        (b'{"id":"a","id":"b"}', "twice"),
        (b'{"id":"dQw4w9WgXcQ","video_id":"dQw4w9WgXcQ"}', "the same"),
        (b'{"id":"mine"}', "give a url"),
        (b'{"id":5}', "id has to be"),
        (b'{"url":"https://e.org/a","id":"a/b"}', "not a video ID"),
        (b'{"url":"https://youtu.be/dQw4w9WgXcQ","id":"-Qw4w9WgXcQ"}', "two videos"),
        (b'{"url":"https://e.org/a","source":"file"}', "is url, not file"),
        (b'{"url":"https://e.org/a","source":"disk"}', "youtube, url, file"),
        (b'{"id":"dQw4w9WgXcQ","prio":1}', "id, video_id, url, source, priority, labels, language"),
        (b'{"id":"dQw4w9WgXcQ","priority":true}', "whole number"),
        (b'{"id":"dQw4w9WgXcQ","priority":1.5}', "whole number"),
        (b'{"id":"dQw4w9WgXcQ","priority":9999999999}', "whole number"),
        (b'{"id":"dQw4w9WgXcQ","language":"english!"}', "BCP 47"),
        (b'{"id":"dQw4w9WgXcQ","labels":["a"]}', "labels"),
        (b'{"id":"dQw4w9WgXcQ","labels":{"a":1}}', "text"),
        (b'{"id":"dQw4w9WgXcQ","labels":{"a":"\\u0000"}}', "control"),
        (b'{"id":"dQw4w9WgXcQ","labels":{"a":"\\ud800"}}', "control"),
    ],
)
def test_junk_is_told_what_is_wrong(value: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(").replace("%", "%")):
        parse_request(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_value_error(value: bytes) -> None:
    try:
        request = parse_request(value)
    except ValueError:
        return
    assert VIDEO_ID.fullmatch(request.video_id)


@given(
    st.one_of(
        st.from_regex(r"[A-Za-z0-9_-]{11}", fullmatch=True),
        st.from_regex(r"https?://[a-z]{1,9}\.org/[a-zA-Z0-9%_.-]{0,20}", fullmatch=True),
        st.from_regex(r"file:///[a-zA-Z0-9_.-]{1,20}", fullmatch=True),
    ),
    st.integers(-9, 9),
    st.dictionaries(st.text(st.characters(exclude_categories=("C",)), max_size=9), st.just("ü"), max_size=3),
)
def test_a_request_reads_back_from_its_value(text: str, priority: int, labels: dict[str, str]) -> None:
    base = parse_request(text.encode())
    request = VideoRequest(base.video_id, base.url, base.source, priority, "en", labels)
    assert parse_request(request_value(request)) == request
