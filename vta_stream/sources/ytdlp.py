"""Videos of YouTube and of allowed URLs, by yt-dlp in one child process a download."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vta_stream.children import ChildPool
from vta_stream.domain.ids import YOUTUBE_ID
from vta_stream.domain.video import Fetched, VideoRequest
from vta_stream.ports import DeferError, TerminalError
from vta_stream.settings.work import DownloadSettings
from vta_stream.sources.addresses import check_url, host_of
from vta_stream.sources.egress import Egress
from vta_stream.sources.fetching import fetch
from vta_stream.sources.options import Job

YOUTUBE_PAGE = "https://www.youtube.com/watch?v={}"


def javascript_runtime() -> str | None:
    """Path of Deno, which yt-dlp needs for YouTube: of the `deno` package, else on PATH; None if there is none."""
    try:
        from deno import find_deno_bin  # type: ignore[import-untyped]
    except ImportError:
        return shutil.which("deno")
    try:
        return str(find_deno_bin())
    except FileNotFoundError:
        return shutil.which("deno")


class YtDlpSource:
    """The source of `youtube` and of `url` requests. Share one, for they share the machine's address.

    A YouTube request is fetched by its ID alone, whatever its URL says. `socket_timeout_s` is how long a
    server may be silent.
    """

    def __init__(self, settings: DownloadSettings, egress: Egress, *, socket_timeout_s: float = 20.0) -> None:
        self._settings = settings
        self._egress = egress
        self._socket_timeout_s = socket_timeout_s
        # One task a child: the network guard cannot be taken off a process.
        self._children = ChildPool("download", settings.concurrency, tasks_max=1)

    async def setup(self) -> None:
        """Check for ffmpeg, the cookies file and, where YouTube is on, the JavaScript runtime."""
        if not shutil.which("ffmpeg"):
            raise TerminalError("no_ffmpeg", "yt-dlp merges pictures and sound with ffmpeg: apt-get install ffmpeg")
        if self._settings.youtube and not javascript_runtime():
            text = "yt-dlp needs the JavaScript runtime Deno for YouTube: pip install deno (or download.youtube: false)"
            raise TerminalError("no_javascript_runtime", text)
        cookies = self._settings.cookies_file
        if cookies and not os.access(cookies, os.R_OK):
            raise TerminalError("no_cookies_file", f"download.cookies_file {cookies} cannot be read.")

    async def fetch(self, request: VideoRequest, folder: Path) -> Fetched:
        """Download into `folder`, continuing a `.part` there. Waits for its turn; a cancelled one is killed."""
        url = self._url(request)
        host = host_of(url)
        await self._egress.take(host)
        job = Job(url, request.source, folder, self._settings, javascript_runtime(), self._socket_timeout_s)
        try:
            fetched = await self._children.run(fetch, job, deadline_s=self._settings.timeout_s)
        except DeferError as error:
            await self._egress.pause(error.scope, host, error.after_s)
            raise
        await self._egress.worked()
        return fetched

    async def close(self) -> None:
        """Kill the downloads that run."""
        await self._children.close()

    def _url(self, request: VideoRequest) -> str:
        if request.source != "youtube":
            return check_url(request.url, self._settings.url_hosts)
        if not self._settings.youtube:
            raise TerminalError("not_allowed", "YouTube videos are not taken: download.youtube is off.")
        if not YOUTUBE_ID.fullmatch(request.video_id):
            raise TerminalError("not_found", f"Not a YouTube ID: {request.video_id[:80]!r} (11 of A-Z a-z 0-9 _ -).")
        return YOUTUBE_PAGE.format(request.video_id)
