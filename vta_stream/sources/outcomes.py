"""What went wrong with a download, as one of three kinds of error with a reason.

yt-dlp's `expected=True` does not mean permanent, so its errors are told apart by their cause first, by the
sentences that YouTube shows second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vta_stream.domain.video import Source
from vta_stream.ports import DISK_FULL, DeferError, StageError, TerminalError, TransientError

RETRY_AFTER_DEFAULT_S = 900.0
RETRY_AFTER_MAX_S = 3600.0
YOUTUBE_REST_S = 3600.0

_PERMANENT = {
    401: ("forbidden", "The site wants a login."),
    403: ("forbidden", "The site forbids it."),
    404: ("not_found", "There is nothing at this address."),
    410: ("removed", "It was removed."),
    451: ("geo_restricted", "It may not be shown here for legal reasons."),
}

_REST = re.compile(r"not a bot|rate.limited|try again later", re.IGNORECASE)
_UPCOMING = re.compile(r"live event will begin|premieres? (will begin )?in|is upcoming|currently live", re.IGNORECASE)
_SENTENCES = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("age_restricted", r"confirm your age|age.restricted|inappropriate for some users"),
        ("members_only", r"members.only|join this channel|available to this channel's members"),
        ("paid", r"requires payment|music premium|purchase|rental"),
        ("private", r"private video|video is private"),
        ("geo_restricted", r"your (country|location)|geo.?restrict|blocked it in"),
        ("drm", r"\bDRM\b"),
        ("no_format", r"requested format is not available|no video formats found"),
        ("unsupported", r"unsupported url|no suitable extractor"),
        ("not_found", r"incomplete youtube id|truncated_id"),
        (
            "removed",
            r"video unavailable|video is (unavailable|not available|no longer available)|isn.t available any ?more"
            r"|has been (removed|terminated|deleted)|copyright (claim|grounds)|recording is not available"
            r"|video does not exist",
        ),
    )
)
_MESSAGES = {
    "age_restricted": "The site shows it only to grown-ups who log in (download.cookies_file).",
    "members_only": "The site shows it only to members (download.cookies_file).",
    "paid": "It has to be paid for.",
    "private": "It is private.",
    "geo_restricted": "It is not shown in this country (download.proxy).",
    "drm": "It is copy-protected.",
    "no_format": "The site offers no format within download.max_short_side_px and max_long_side_px.",
    "unsupported": "No video was found at this address.",
    "not_found": "There is no such video.",
    "removed": "It is not available (any more).",
}


def outcome(error: BaseException, source: Source, refused: Sequence[str] = ()) -> StageError:
    """The error that a stage understands. `refused` is what the network guard stopped."""
    causes = list(_causes(error))
    text = _text(str(error))
    for cause in causes:
        if isinstance(cause, StageError):
            return cause
    if refused:
        return TerminalError("not_allowed", f"The download tried what is not allowed: {'; '.join(refused[:3])}.")
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:
            return TransientError("disk_full", f"The disk is full: {cause}.")
    if "No space left on device" in text:
        return TransientError("disk_full", f"The disk is full: {text}.")
    status, retry_after = _http(causes, text)
    # A server's own trouble comes before YouTube's sentences: "503 Service Unavailable" removes no video.
    busy = status is not None and (status == 429 or status >= 500)
    if source == "youtube" and not busy and (found := _from_sentence(text)):
        return found
    if status is not None:
        return _from_status(status, retry_after, source, text)
    if source != "youtube" and re.search(
        r"unsupported url|no suitable extractor|no video formats", text, re.IGNORECASE
    ):
        return TerminalError("unsupported", f"{_MESSAGES['unsupported']} ({text})")
    families = [{base.__name__ for base in type(cause).__mro__} for cause in causes]
    for kind, words, reason in _TRANSIENT:
        if any(kind in family for family in families) or re.search(words, text, re.IGNORECASE):
            return TransientError(reason, f"The download did not work this time: {text}")
    hint = " If all videos of a site fail so, update yt-dlp: pip install -U yt-dlp" if source == "youtube" else ""
    return TransientError("download_failed", f"The download failed: {text}.{hint}")


_TRANSIENT = (
    ("IncompleteRead", "bytes read", "cut_off"),
    ("ContentTooShortError", "content too short|did not get any data", "cut_off"),
    ("TimeoutError", "timed out", "timed_out"),
    ("gaierror", "failed to resolve|name or service not known", "name_not_resolved"),
    ("CertificateVerifyError", "certificate verify failed", "bad_certificate"),
    ("PostProcessingError", "postprocessing:", "merge_failed"),
    ("ProxyError", "unable to connect to proxy", "proxy_failed"),
    ("TransportError", "connection (aborted|refused|reset)", "connection_failed"),
    ("OSError", "unable to (open for writing|write data)", "io_error"),
)
"""Class of a cause, or words where yt-dlp has dropped the cause; the more precise ones first."""


def _from_sentence(text: str) -> StageError | None:
    if not re.search(r"confirm your age", text, re.IGNORECASE) and _REST.search(text):
        return DeferError("rate_limited", f"YouTube wants a rest: {text}", YOUTUBE_REST_S, "egress")
    if _UPCOMING.search(text):
        return DeferError("upcoming", f"It is not over yet: {text}", YOUTUBE_REST_S)
    for reason, pattern in _SENTENCES:
        if pattern.search(text):
            return TerminalError(reason, f"{_MESSAGES[reason]} ({text})")
    return None


def _from_status(status: int, retry_after: str | None, source: Source, text: str) -> StageError:
    if status == 429:
        after_s = retry_after_s(retry_after)
        scope = "egress" if source == "youtube" else "host"
        return DeferError("rate_limited", f"The site asks to wait {after_s:.0f} s (HTTP 429).", after_s, scope)
    if source == "youtube" and status == 403:
        # Media addresses run out, and are bound to the address that asked: a new try gets new ones.
        return TransientError("http_403", f"YouTube refused the media this time: {text}")
    if status in _PERMANENT:
        reason, message = _PERMANENT[status]
        return TerminalError(reason, f"{message} (HTTP {status})")
    if 400 <= status < 500 and status not in (408, 416, 421, 425):
        return TerminalError(f"http_{status}", f"The site refuses: {text}")
    return TransientError(f"http_{status}", f"The site did not work this time: {text}")


def retry_after_s(value: str | None) -> float:
    """Seconds of a Retry-After header (a number or a date), within 1 to RETRY_AFTER_MAX_S."""
    try:
        seconds = float(value) if value else RETRY_AFTER_DEFAULT_S
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value or "") - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = RETRY_AFTER_DEFAULT_S
    return min(max(1.0, seconds), RETRY_AFTER_MAX_S) if seconds == seconds else RETRY_AFTER_DEFAULT_S


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything behind it: yt-dlp keeps causes in three places of its own."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        kept = getattr(current, "exc_info", None)
        nearby = [kept[1] if isinstance(kept, tuple) else None, getattr(current, "cause", None)]
        nearby += [current.__cause__, current.__context__]
        waiting += [other for other in nearby if isinstance(other, BaseException)]


def _http(causes: list[BaseException], text: str) -> tuple[int | None, str | None]:
    """Status and Retry-After. After its own retries yt-dlp keeps no more of an answer than its status in words."""
    for cause in causes:
        response = getattr(cause, "response", None)
        if type(cause).__name__ == "HTTPError" and response is not None:
            return int(response.status), response.headers.get("Retry-After")
    words = re.search(r"Got error: HTTP Error (\d{3})", text)
    return (int(words[1]) if words else None), None


def _text(text: str) -> str:
    clean = re.sub(r"\x1b\[[0-9;]*m", "", text).removeprefix("ERROR: ").strip()
    return clean.split("; please report this issue", 1)[0].rstrip(".")[:1000]
