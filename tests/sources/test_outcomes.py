"""yt-dlp's errors, made as yt-dlp makes them, become the right kind of error."""

from __future__ import annotations

import errno
import io
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnavailableVideoError

from vta_stream.domain.video import Source
from vta_stream.ports import DeferError, TerminalError, TransientError
from vta_stream.settings.work import DownloadSettings
from vta_stream.sources.fetching import refuse_live
from vta_stream.sources.options import fits
from vta_stream.sources.outcomes import outcome, retry_after_s


def wrapped(cause: Exception) -> DownloadError:
    """As `YoutubeDL.trouble` does it."""
    return DownloadError(f"ERROR: {cause}", (type(cause), cause, None))


def http(status: int, **headers: str) -> DownloadError:
    response = Response(
        io.BytesIO(), "https://example.org/a.mp4", {k.replace("_", "-"): v for k, v in headers.items()}, status
    )
    error = ExtractorError("Unable to download webpage", cause=HTTPError(response))
    return wrapped(error)


def said(text: str) -> DownloadError:
    return wrapped(ExtractorError(f"[youtube] abc: {text}", expected=True))


@pytest.mark.parametrize(
    ("status", "source", "kind", "reason"),
    [
        (404, "url", TerminalError, "not_found"),
        (410, "url", TerminalError, "removed"),
        (403, "url", TerminalError, "forbidden"),
        (403, "youtube", TransientError, "http_403"),
        (401, "url", TerminalError, "forbidden"),
        (451, "url", TerminalError, "geo_restricted"),
        (400, "url", TerminalError, "http_400"),
        (408, "url", TransientError, "http_408"),
        (416, "url", TransientError, "http_416"),
        (500, "url", TransientError, "http_500"),
        (502, "youtube", TransientError, "http_502"),
        (503, "youtube", TransientError, "http_503"),
    ],
)
def test_statuses(status: int, source: Source, kind: type[Exception], reason: str) -> None:
    found = outcome(http(status), source)
    assert type(found) is kind
    assert found.reason == reason


@pytest.mark.parametrize(("source", "scope"), [("youtube", "egress"), ("url", "host")])
def test_too_many_requests_defer(source: Source, scope: str) -> None:
    found = outcome(http(429, Retry_After="42"), source)
    assert isinstance(found, DeferError)
    assert (found.reason, found.scope, found.after_s) == ("rate_limited", scope, 42.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Private video. Sign in if you've been granted access to this video", "private"),
        ("Video unavailable. This video is private", "private"),
        ("Sign in to confirm your age. This video may be inappropriate for some users.", "age_restricted"),
        ("Join this channel to get access to members-only content like this video", "members_only"),
        ("Video unavailable. The uploader has not made this video available in your country", "geo_restricted"),
        ("Video unavailable. This video contains content from X, who has blocked it in your country", "geo_restricted"),
        ("Video unavailable. This video has been removed by the uploader", "removed"),
        ("Video unavailable. This video is no longer available because the account has been terminated.", "removed"),
        ("This live stream recording is not available.", "removed"),
        ("This video is DRM protected", "drm"),
        ("This video requires payment to watch", "paid"),
        ("Requested format is not available. Use --list-formats", "no_format"),
    ],
)
def test_what_youtube_says_for_good(text: str, reason: str) -> None:
    found = outcome(said(text), "youtube")
    assert isinstance(found, TerminalError)
    assert found.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "Sign in to confirm you’re not a bot. Use --cookies",
        "Video unavailable. This content isn't available, try again later. The current session has been rate-limited "
        "by YouTube for up to an hour.",
    ],
)
def test_youtube_wants_a_rest(text: str) -> None:
    found = outcome(said(text), "youtube")
    assert isinstance(found, DeferError)
    assert (found.reason, found.scope) == ("rate_limited", "egress")


@pytest.mark.parametrize("text", ["This live event will begin in 3 hours.", "Premieres in 20 minutes"])
def test_what_is_to_come_is_deferred(text: str) -> None:
    found = outcome(said(text), "youtube")
    assert isinstance(found, DeferError)
    assert (found.reason, found.scope) == ("upcoming", "message")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (wrapped(IncompleteRead(10, 20)), "cut_off"),
        (
            DownloadError("ERROR: [download] Got error: 10 bytes read, 20 more expected. Giving up after 3 retries"),
            "cut_off",
        ),
        (wrapped(TransportError(cause=TimeoutError("timed out"))), "timed_out"),
        (wrapped(TransportError("Connection reset by peer")), "connection_failed"),
        (wrapped(UnavailableVideoError(OSError(errno.ENOSPC, "No space left on device"))), "disk_full"),
        (DownloadError("ERROR: unable to write data: [Errno 28] No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (said("Unable to extract yt initial data"), "download_failed"),
    ],
)
def test_transient_ones(error: Exception, reason: str) -> None:
    found = outcome(error, "youtube")
    assert isinstance(found, TransientError)
    assert found.reason == reason


def test_geo_restriction_as_yt_dlp_raises_it() -> None:
    error = wrapped(GeoRestrictedError("This video is not available from your location due to geo restriction"))
    assert outcome(error, "youtube").reason == "geo_restricted"


def test_what_the_guard_refused_explains_the_failure() -> None:
    found = outcome(wrapped(TransportError("Permission denied")), "url", ["a connection to 127.0.0.1 (it is loopback)"])
    assert isinstance(found, TerminalError)
    assert found.reason == "not_allowed"
    assert "127.0.0.1" in str(found)


def test_an_unsupported_page() -> None:
    assert (
        outcome(wrapped(ExtractorError("Unsupported URL: https://example.org/", expected=True)), "url").reason
        == "unsupported"
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 900), ("", 900), ("7", 7), ("0", 1), ("-3", 1), ("99999999", 3600), ("nan", 900), ("soon", 900)],
)
def test_retry_after(value: str | None, seconds: float) -> None:
    assert retry_after_s(value) == seconds


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    assert 300 < retry_after_s(date) <= 600


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"live_status": "is_upcoming"}, "upcoming"),
        ({"live_status": "is_live"}, "live"),
        ({"live_status": "post_live"}, "live"),
    ],
)
def test_streams_are_looked_at_later(info: dict[str, Any], reason: str) -> None:
    with pytest.raises(DeferError) as caught:
        refuse_live(info, DownloadSettings(), now_s=1000.0)
    assert (caught.value.reason, caught.value.scope) == (reason, "message")


def test_an_upcoming_stream_is_looked_at_when_it_begins() -> None:
    with pytest.raises(DeferError) as caught:
        refuse_live({"live_status": "is_upcoming", "release_timestamp": 8200}, DownloadSettings(), now_s=1000.0)
    assert caught.value.after_s == 7200


def test_a_stream_that_never_ends_is_too_long() -> None:
    info = {"live_status": "is_live", "release_timestamp": 1000}
    with pytest.raises(TerminalError) as caught:
        refuse_live(info, DownloadSettings(max_duration_s=60), now_s=1061.0)
    assert caught.value.reason == "too_long"


@pytest.mark.parametrize("status", ["was_live", "not_live", None])
def test_what_is_over_is_taken(status: str | None) -> None:
    refuse_live({"live_status": status}, DownloadSettings(), now_s=1000.0)


@pytest.mark.parametrize(
    ("width", "height", "taken"),
    [
        (1280, 720, True),
        (720, 1280, True),
        (1920, 1080, False),
        (1080, 1920, False),
        (1000, 800, False),
        (2000, 700, False),
        (None, None, True),
    ],
)
def test_formats_fit_upright_and_wide(width: int | None, height: int | None, taken: bool) -> None:
    settings = DownloadSettings(max_short_side_px=720, max_long_side_px=1280)
    assert fits({"width": width, "height": height, "vcodec": "h264"}, settings) is taken
    assert fits({"width": width, "height": height, "vcodec": "none"}, settings)
