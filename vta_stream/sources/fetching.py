"""One download by yt-dlp. This runs in a child process that serves for nothing else."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from vta_stream.domain.video import Fetched, Subtitle
from vta_stream.ports import DeferError, StageError, TerminalError, TransientError
from vta_stream.settings.work import DownloadSettings
from vta_stream.sources.addresses import NetworkGuard
from vta_stream.sources.options import LANGUAGE, SUBTITLE_FORMATS, Job, fits, metadata, options
from vta_stream.sources.outcomes import outcome

logger = logging.getLogger(__name__)

LIVE_LOOK_AGAIN_S = 1800.0
UPCOMING_MIN_S = 300.0
UPCOMING_MAX_S = 7 * 86400.0


def fetch(job: Job) -> Fetched:
    """Download the video of `job` into its folder. Raises StageError.

    Changes this process for good: no plug-ins, no environment proxies, no connections and no programs but
    those the guard lets through.
    """
    os.environ["YTDLP_NO_PLUGINS"] = "1"
    guard = NetworkGuard(allow_private=job.settings.allow_private_networks, proxy=job.settings.proxy)
    import yt_dlp

    log = _Log()
    parameters = options(job) | {"logger": log, "progress_hooks": [_size_limit(job.settings)]}
    guard.install()
    try:
        with _downloader_class()(parameters) as downloader:
            _choose_formats(downloader, job.settings)
            info = _look(downloader, job, log)
            downloader.params["ignore_no_formats_error"] = False
            done = downloader.process_ie_result(info, download=True)
    except StageError:
        raise
    except (yt_dlp.utils.YoutubeDLError, OSError) as error:
        raise outcome(error, job.source, guard.refused) from error
    return _result(done, job, log)


def _downloader_class() -> Any:
    """yt-dlp's YoutubeDL, but a single subtitle file that is gone does not cost the video."""
    import yt_dlp

    class Downloader(yt_dlp.YoutubeDL):  # type: ignore[misc]
        def _write_subtitles(self, info_dict: dict[str, Any], filename: str) -> Any:
            wanted, written = info_dict.get("requested_subtitles") or {}, []
            for language, subtitle in wanted.items():
                if not LANGUAGE.fullmatch(language):
                    logger.warning("subtitles in a language called %r are left out", language[:80])
                    continue
                try:
                    written += super()._write_subtitles(
                        {**info_dict, "requested_subtitles": {language: subtitle}}, filename
                    )
                except yt_dlp.utils.DownloadError as error:
                    found = outcome(error, "url")
                    if not isinstance(found, TerminalError):
                        raise
                    logger.warning("the %s subtitles could not be had (%s): %s", language, found.reason, found)
            return written

    return Downloader


def _choose_formats(downloader: Any, settings: DownloadSettings) -> None:
    """Let yt-dlp choose among the formats that fit."""
    choose = downloader.build_format_selector("bv*+ba/b/bv*")

    def among_fitting(context: Mapping[str, Any]) -> Iterator[Any]:
        return iter(choose({**context, "formats": [form for form in context["formats"] if fits(form, settings)]}))

    downloader.format_selector = among_fitting


def _look(downloader: Any, job: Job, log: _Log) -> dict[str, Any]:
    """What the site says of the video, before any media is fetched; raises what speaks against it."""
    import yt_dlp

    info = downloader.extract_info(job.url, download=False)
    if info and info.get("_type") == "playlist":
        entries = list(info.get("entries") or ())
        if len(entries) != 1:
            text = f"The page names {len(entries)} videos. Submit the addresses of the videos one by one."
            raise TerminalError("playlist", text)
        info = entries[0]
    if not info:
        raise TerminalError("unsupported", "No video was found at this address.")
    refuse_live(info, job.settings, time.time())
    if info.get("duration") and info["duration"] > job.settings.max_duration_s:
        raise too_long(info["duration"], job.settings)
    size = info.get("filesize")
    if size and size > job.settings.max_size_bytes:
        raise too_large(size, job.settings)
    if not info.get("formats") and not info.get("url"):
        raise yt_dlp.utils.DownloadError("; ".join(log.warnings) or "No video formats found")
    if not any(fits(form, job.settings) for form in info.get("formats") or [info]):
        raise yt_dlp.utils.DownloadError("Requested format is not available")
    return dict(info)


def refuse_live(info: Mapping[str, Any], settings: DownloadSettings, now_s: float) -> None:
    """DeferError for a stream that is to come, or not over; TerminalError `too_long` if it never seems to end.

    `now_s` is the Unix time.
    """
    status, starts_at_s = info.get("live_status"), info.get("release_timestamp")
    if status == "is_upcoming":
        wait_s = starts_at_s - now_s if starts_at_s else LIVE_LOOK_AGAIN_S
        after_s = min(max(wait_s, UPCOMING_MIN_S), UPCOMING_MAX_S)
        raise DeferError("upcoming", f"The stream has not begun; it is looked at again in {after_s:.0f} s.", after_s)
    if status == "is_live" and starts_at_s and now_s - starts_at_s > settings.max_duration_s:
        raise TerminalError("too_long", f"It has been live for more than {settings.max_duration_s:g} s.")
    if status in ("is_live", "post_live"):
        raise DeferError("live", "The stream is not over, or not there in full yet.", LIVE_LOOK_AGAIN_S)


def too_large(size_bytes: int, settings: DownloadSettings) -> TerminalError:
    """The error for a file above the limit."""
    limit = settings.max_size_bytes
    return TerminalError("too_large", f"It has {size_bytes} bytes or more; download.max_size_bytes allows {limit}.")


def too_long(duration_s: float, settings: DownloadSettings) -> TerminalError:
    """The error for a video above the limit."""
    limit = settings.max_duration_s
    return TerminalError("too_long", f"It is {duration_s:.0f} s long; download.max_duration_s allows {limit:g}.")


def _size_limit(settings: DownloadSettings) -> Any:
    """A progress hook: an answer that does not announce its length is stopped when it grows too large."""

    def hook(progress: Mapping[str, Any]) -> None:
        if (size := progress.get("downloaded_bytes") or 0) > settings.max_size_bytes:
            raise too_large(size, settings)

    return hook


def _result(done: Mapping[str, Any], job: Job, log: _Log) -> Fetched:
    downloads = done.get("requested_downloads") or [{}]
    path = downloads[0].get("filepath")
    if not path or not Path(path).is_file():
        # `max_filesize` makes yt-dlp report success without a file.
        if any("max-filesize" in line for line in log.lines):
            raise TerminalError("too_large", f"It has more than download.max_size_bytes {job.settings.max_size_bytes}.")
        raise TransientError("no_media", "yt-dlp reported success, but there is no file.")
    return Fetched(Path(path).name, tuple(_subtitles(done, job)), metadata(done))


def _subtitles(done: Mapping[str, Any], job: Job) -> Iterator[Subtitle]:
    for language, subtitle in (done.get("requested_subtitles") or {}).items():
        path = Path(subtitle.get("filepath") or "")
        if not subtitle.get("filepath") or not path.is_file():
            continue  # it was gone, and the log says so
        if subtitle["ext"] not in SUBTITLE_FORMATS:
            logger.info("the %s subtitles are only there as %s, which is not read", language, subtitle["ext"])
            path.unlink()
            continue
        # yt-dlp takes the automatic ones of a language only where there are no manual ones.
        kind: Literal["manual", "automatic"] = "manual" if language in (done.get("subtitles") or {}) else "automatic"
        yield Subtitle(language, kind, subtitle["ext"], path=str(path.relative_to(job.folder)))


class _Log:
    """yt-dlp's idea of a logger: keeps what it says for the outcome, and passes it on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(text)
        logger.debug("%s", text)

    def info(self, text: str) -> None:
        self.debug(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text.removeprefix("WARNING: "))
        logger.info("%s", text)

    def error(self, text: str) -> None:
        logger.info("%s", text)
