"""yt-dlp's options for one download, and what is kept of what it says."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vta_stream.domain.video import Metadata, Source
from vta_stream.settings.work import DownloadSettings

SUBTITLE_FORMATS = ("json3", "vtt", "srt", "ass")
"""In the order of preference: json3 has the time of every word."""
LANGUAGE = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,4}")
"""What a site may call a language: it becomes part of a file name."""
DESCRIPTION_CHARACTERS_MAX = 5000
TEXT_CHARACTERS_MAX = 500
LIST_MAX = 100

METADATA = (
    "title", "description", "channel", "channel_id", "uploader", "uploader_id", "upload_date", "timestamp",
    "duration", "license", "language", "tags", "categories", "view_count", "like_count", "age_limit", "availability",
    "was_live", "extractor", "format_id", "width", "height", "fps", "vcodec", "acodec", "ext",
)  # fmt: skip
"""The fields of yt-dlp's info that are kept: no media URLs, headers or cookies, and no generic `id`, which may
hold a URL's query."""


@dataclass(frozen=True, slots=True)
class Job:
    """One download, as it is handed to a child process. `url` was checked, `folder` exists."""

    url: str
    source: Source
    folder: Path
    settings: DownloadSettings
    javascript_runtime: str | None
    socket_timeout_s: float


def options(job: Job) -> dict[str, Any]:
    """yt-dlp's parameters. Whatever it could run, write or send beyond a download is off."""
    settings = job.settings
    youtube = job.source == "youtube"
    return {
        "allowed_extractors": ["youtube"] if youtube else ["generic", "html5"],
        "noplaylist": True,
        "paths": {"home": str(job.folder)},
        "outtmpl": {"default": "media.%(ext)s"},  # nothing of the site's words gets into a file name
        "format_sort": [f"res:{settings.max_short_side_px}", "vcodec:h264", "acodec:aac", "proto"],
        "merge_output_format": "mp4/mkv",
        "max_filesize": settings.max_size_bytes,
        "continuedl": True,
        "nopart": False,
        "updatetime": False,
        "cachedir": False,
        "writesubtitles": True,
        "writeautomaticsub": settings.automatic_subtitles,
        "subtitleslangs": list(settings.subtitle_languages),
        "subtitlesformat": "/".join(SUBTITLE_FORMATS),
        # Only yt-dlp's own downloaders: a program that fetches by itself would bypass the network guard.
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        # A file that calls itself a video may be a playlist that names other files and hosts.
        "postprocessor_args": {"ffmpeg_i": ["-protocol_whitelist", "file"]},
        "enable_file_urls": False,
        # "" means no proxy at all: one from the environment would bypass the network guard in silence.
        "proxy": settings.proxy or "",
        "cookiefile": io.StringIO(settings.cookies_file.read_text()) if settings.cookies_file else None,
        "js_runtimes": {"deno": {"path": job.javascript_runtime}} if job.javascript_runtime else {},
        "remote_components": [],
        "ratelimit": settings.rate_limit_bytes_per_s,
        "socket_timeout": job.socket_timeout_s,
        "retries": 3,
        "fragment_retries": 3,
        "extractor_retries": 1,
        "retry_sleep_functions": dict.fromkeys(("http", "fragment", "extractor"), _back_off_s),
        "skip_unavailable_fragments": False,
        "sleep_interval_requests": 0.5 if youtube else 0,
        "ignore_no_formats_error": True,  # so that a stream that is to come says when
        "noprogress": True,
        "quiet": True,
        "color": "never",
    }


def fits(form: Mapping[str, Any], settings: DownloadSettings) -> bool:
    """True if a format's picture is within both limits, upright or wide; sound alone, or an unknown size, is.

    yt-dlp's own filters cannot say this: `height<=720` takes 360x640 of an upright video.
    """
    width, height = form.get("width"), form.get("height")
    if form.get("vcodec") == "none" or not width or not height:
        return True
    short, long = sorted((int(width), int(height)))
    return short <= settings.max_short_side_px and long <= settings.max_long_side_px


def _back_off_s(n: int) -> float:
    """Seconds before attempt `n` + 1 (n from 0) within one download. yt-dlp passes `n` by name."""
    return float(min(8, 2**n)) / 2


def metadata(info: Mapping[str, Any]) -> Metadata:
    """The allow-listed fields, cut to sizes that a message can carry."""
    kept: dict[str, str | int | float | bool | tuple[str, ...] | None] = {}
    for name in METADATA:
        value = info.get(name)
        if isinstance(value, str):
            kept[name] = value[: DESCRIPTION_CHARACTERS_MAX if name == "description" else TEXT_CHARACTERS_MAX]
        elif isinstance(value, bool | int | float):
            kept[name] = value
        elif isinstance(value, list | tuple):
            kept[name] = tuple(str(item)[:TEXT_CHARACTERS_MAX] for item in value[:LIST_MAX])
    return kept
