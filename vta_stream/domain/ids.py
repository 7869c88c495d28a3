"""Identities. They are deterministic, so that a replay writes the same thing under the same name."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A video ID is a file name, a WebDataset key prefix and a Kafka key at once: no dots, slashes or spaces."""

_STEM_CHARACTERS = 40


def check_video_id(video_id: str) -> str:
    """Return `video_id` unchanged; raise ValueError if it could not serve as a file name and a key."""
    if not VIDEO_ID.fullmatch(video_id):
        raise ValueError(f"not a video ID: {video_id[:80]!r} (1 to 64 characters out of A-Z a-z 0-9 _ - are allowed)")
    return video_id


def video_id_of_url(url: str) -> str:
    """A stable, readable ID for any URL: the cleaned last path component and 12 hex digits of its SHA-256."""
    stem = PurePosixPath(unquote(urlsplit(url).path)).stem
    readable = re.sub(r"[^A-Za-z0-9_]+", "_", stem).strip("_")[:_STEM_CHARACTERS]
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    return f"{readable}-{digest}" if readable else digest


def clip_id(video_id: str, start_s: float, end_s: float, pipeline_version: str) -> str:
    """The ID of the clip [start_s, end_s) of a video, to the millisecond, under one pipeline version.

    Example: `dQw4w9WgXcQ_000012340_000018900_3fa9c1d2`. Without dots, as WebDataset keys must be, and it
    sorts by time within a video.
    """
    return f"{check_video_id(video_id)}_{_ms(start_s):09d}_{_ms(end_s):09d}_{pipeline_version}"


def _ms(seconds: float) -> int:
    if not 0 <= seconds < 1_000_000:
        raise ValueError(f"a time in a video has to be from 0 to 1,000,000 seconds, not {seconds}")
    return round(seconds * 1000)
