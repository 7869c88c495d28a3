"""What a value of the `videos` topic may look like: a bare YouTube ID, a URL, or a JSON object with options."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from vta_stream.domain.ids import YOUTUBE_ID, check_video_id, video_id_of_url
from vta_stream.domain.video import Source, VideoRequest

VALUE_BYTES_MAX = 16 * 1024
URL_CHARACTERS_MAX = 2048
LABELS_MAX = 32
LABEL_CHARACTERS_MAX = 1024
PRIORITY_MAX = 1_000_000
KEYS = ("id", "video_id", "url", "source", "priority", "labels", "language")
SOURCES: tuple[Source, ...] = ("youtube", "url", "file")

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_YOUTUBE_HOSTS = re.compile(r"((www|m|music)\.)?youtube(-nocookie)?\.com")
_YOUTUBE_PATH = re.compile(r"/(?:shorts|embed|live|v)/([^/]+)/?")


def parse_request(value: bytes) -> VideoRequest:
    """The request that a value of the `videos` topic means.

    Taken are, with any white space round them: 11 characters of a YouTube ID (it may begin with `-`);
    an http(s):// or file:/// URL, of which YouTube's own become the source `youtube`; or a JSON object of
    `id` (or `video_id`), `url`, `source`, `priority`, `labels` and `language`, all but one of the first two
    optional. Whether the settings allow the source is not checked here. Raises ValueError with a sentence
    that says what is wrong.
    """
    if len(value) > VALUE_BYTES_MAX:
        raise ValueError(f"too long: {len(value)} bytes, and {VALUE_BYTES_MAX} are allowed")
    try:
        text = value.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error}") from error
    if not text:
        raise ValueError("empty; a YouTube ID, a URL or a JSON object is expected")
    if text.startswith(("{", "[", '"')):
        return _of_object(_json_object(text))
    if YOUTUBE_ID.fullmatch(text):
        return _of_youtube(text)
    if "://" in text:
        return _of_url(text)
    raise ValueError(f"neither an 11-character YouTube ID nor a URL nor a JSON object: {text[:80]!r}")


def request_value(request: VideoRequest) -> bytes:
    """The JSON object that `parse_request` reads back as an equal request; options at their defaults are left out."""
    fields: dict[str, Any] = {"video_id": request.video_id, "url": request.url, "source": request.source}
    if request.priority:
        fields["priority"] = request.priority
    if request.labels:
        fields["labels"] = dict(request.labels)
    if request.language is not None:
        fields["language"] = request.language
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_no_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("not valid here: the JSON is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError(f"a JSON object is expected, not a {type(found).__name__}")
    return found


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a JSON key is there twice")
    return found


def _of_object(fields: Mapping[str, Any]) -> VideoRequest:
    for key in fields:
        if key not in KEYS:
            raise ValueError(f"unknown key {key[:80]!r}; there are {', '.join(KEYS)}")
    if "id" in fields and "video_id" in fields:
        raise ValueError("id and video_id mean the same: give one of them")
    video_id = _text(fields, "id") or _text(fields, "video_id")
    url = _text(fields, "url")
    source = _text(fields, "source")
    if source is not None and source not in SOURCES:
        raise ValueError(f"unknown source {source[:80]!r}; there are {', '.join(SOURCES)}")
    if url is not None:
        base = _of_url(url, video_id if video_id is None else check_video_id(video_id))
    elif video_id is not None:
        base = _of_youtube(video_id)
    else:
        raise ValueError("id or url is missing")
    if source is not None and source != base.source:
        raise ValueError(f"the source of {base.url!r} is {base.source}, not {source}")
    if video_id is not None and video_id != base.video_id:
        raise ValueError(f"the id {video_id!r} and the URL's {base.video_id!r} are of two videos")
    return VideoRequest(
        video_id=base.video_id,
        url=base.url,
        source=base.source,
        priority=_priority(fields.get("priority")),
        language=_language(_text(fields, "language")),
        labels=_labels(fields.get("labels")),
    )


def _text(fields: Mapping[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} has to be a text that is not empty, not {str(value)[:80]!r}")
    return value


def _priority(value: Any) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > PRIORITY_MAX:
        raise ValueError(f"priority has to be a whole number within ±{PRIORITY_MAX}, not {str(value)[:80]!r}")
    return value


def _language(value: str | None) -> str | None:
    if value is not None and (len(value) > 35 or not _LANGUAGE.fullmatch(value)):
        raise ValueError(f"language has to be a BCP 47 tag such as en or pt-BR, not {value[:80]!r}")
    return value


def _labels(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > LABELS_MAX:
        raise ValueError(f"labels has to be an object of at most {LABELS_MAX} texts")
    for key, label in value.items():
        if not isinstance(label, str):
            raise ValueError(f"the label {key[:80]!r} has to be a text, not {str(label)[:80]!r}")
        for part in (key, label):
            if len(part) > LABEL_CHARACTERS_MAX or _UNSAFE.search(part):
                raise ValueError(f"the label {key[:80]!r} is too long or has control characters")
    return value


def _of_youtube(video_id: str) -> VideoRequest:
    if not YOUTUBE_ID.fullmatch(video_id):
        raise ValueError(f"not a YouTube ID of 11 characters: {video_id[:80]!r}; give a url for other videos")
    return VideoRequest(video_id, f"https://www.youtube.com/watch?v={video_id}", "youtube")


def _of_url(url: str, video_id: str | None = None) -> VideoRequest:
    """What a URL means. YouTube's have an ID of their own; others get `video_id`, or one made of the URL."""
    if len(url) > URL_CHARACTERS_MAX:
        raise ValueError(f"the URL is too long: {len(url)} characters, and {URL_CHARACTERS_MAX} are allowed")
    if _UNSAFE.search(url) or "".join(url.split()) != url:
        raise ValueError("the URL has white space or control characters; percent-encode them")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from error
    if parts.scheme == "file":
        return _of_file(url, parts, video_id)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"unknown scheme {parts.scheme[:80]!r}; http, https and file are taken")
    if not parts.hostname or port == 0:
        raise ValueError(f"the URL names no host: {url[:80]!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL carries credentials, which would end up in the dataset; they are not taken")
    youtube_id = _youtube_id(parts)
    if youtube_id is not None:
        return _of_youtube(youtube_id)
    plain = parts._replace(fragment="").geturl()
    return VideoRequest(video_id or video_id_of_url(plain), plain, "url")


def _of_file(url: str, parts: SplitResult, video_id: str | None) -> VideoRequest:
    if not url.lower().startswith("file:///") or len(parts.path) < 2 or parts.path.endswith("/"):
        raise ValueError("a file is named by its absolute path: file:///folder/video.mp4")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("in a file URL, ? and # have to be written %3F and %23")
    if "%00" in parts.path:
        raise ValueError("the URL has control characters")
    plain = parts.geturl()
    return VideoRequest(video_id or video_id_of_url(plain), plain, "file")


def _youtube_id(parts: SplitResult) -> str | None:
    """The video of a YouTube page, None for other sites; ValueError for YouTube pages that are no video."""
    host = (parts.hostname or "").rstrip(".")
    if host == "youtu.be":
        found = parts.path.strip("/")
    elif not _YOUTUBE_HOSTS.fullmatch(host):
        return None
    elif parts.path.rstrip("/") == "/watch":
        found = parse_qs(parts.query).get("v", [""])[0]
    else:
        match = _YOUTUBE_PATH.fullmatch(parts.path)
        found = match[1] if match else ""
    if not YOUTUBE_ID.fullmatch(found):
        raise ValueError("a YouTube page without a video; playlists and channels are not taken")
    return found
