"""Videos that lie in folders which the settings allow."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from vta_stream.domain.video import Fetched, Subtitle, VideoRequest
from vta_stream.ports import DISK_FULL, TerminalError, TransientError
from vta_stream.settings.work import DownloadSettings

SIDECARS = ("json3", "vtt", "srt", "ass")
"""Subtitles beside a video: `talk.srt`, `talk.en.vtt`; `talk.en-orig.json3` and `talk.en.auto.vtt` are automatic."""

_FICLONE = 0x40049409
"""ioctl of Linux: share the blocks of another file until one of them is written to."""
_CHUNK_BYTES = 64 * 1024**2
_SIDECAR = re.compile(
    rf"(\.(?P<language>[A-Za-z]{{2,3}}(-[A-Za-z0-9]{{1,8}})*))?(?P<auto>\.auto)?\.(?P<format>{'|'.join(SIDECARS)})"
)


class FileSource:
    """The source of `file` requests: regular files under `download.file_roots`, links resolved first.

    The file is shared, not copied, where the file system can (reflink, else a hard link); so it must not be
    written to while it is in work.
    """

    def __init__(self, settings: DownloadSettings) -> None:
        self._settings = settings

    async def setup(self) -> None:
        """Check that the roots are there."""
        for root in self._settings.file_roots:
            if not root.is_dir():
                raise TerminalError("no_file_root", f"download.file_roots names {root}, which is no folder.")

    async def fetch(self, request: VideoRequest, folder: Path) -> Fetched:
        """Put the file and the subtitles beside it into `folder`. Stops copying when it is cancelled."""
        stopped = threading.Event()
        work = asyncio.create_task(asyncio.to_thread(self._fetch, request, folder, stopped))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stopped.set()
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # that it was stopped is known already
            raise

    async def close(self) -> None:
        """Nothing is held."""

    def _fetch(self, request: VideoRequest, folder: Path, stopped: threading.Event) -> Fetched:
        path = _path_of(request.url)
        with self._open(path) as (source, real):
            size_bytes = os.fstat(source).st_size
            limit = self._settings.max_size_bytes
            if size_bytes == 0:
                raise TerminalError("empty_file", f"{path} is empty.")
            if size_bytes > limit:
                text = f"{path} has {size_bytes} bytes; download.max_size_bytes allows {limit}."
                raise TerminalError("too_large", text)
            suffix = real.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", real.suffix) else ""
            name = f"media{suffix}"
            _take(source, folder / name, stopped)
        return Fetched(name, tuple(self._sidecars(real, folder, stopped)), {"title": path.stem[:500]})

    def _sidecars(self, video: Path, folder: Path, stopped: threading.Event) -> Iterator[Subtitle]:
        for sidecar in sorted(video.parent.glob(f"{_escaped(video.stem)}.*")):
            found = _SIDECAR.fullmatch(sidecar.name.removeprefix(video.stem))
            if not found:
                continue
            language, form = found["language"], found["format"]
            automatic = bool(found["auto"]) or (language or "").endswith("-orig")
            name = f"media{found[0]}"
            with self._open(sidecar) as (source, _):
                _take(source, folder / name, stopped)
            yield Subtitle(language, "automatic" if automatic else "manual", form, path=name)

    @contextmanager
    def _open(self, path: Path) -> Iterator[tuple[int, Path]]:
        """The opened regular file and its real path. Judged by what was opened, so nobody can swap it."""
        descriptor = self._descriptor(path)
        try:
            real = Path(f"/proc/self/fd/{descriptor}").readlink()
            self._check_root(path, real)
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise TerminalError(
                    "is_folder", f"{path} is a folder. Submit the files in it: vta-stream submit {path}"
                )
            if not stat.S_ISREG(mode):
                raise TerminalError("not_a_file", f"{path} is no regular file.")
            yield descriptor, real
        finally:
            os.close(descriptor)

    def _descriptor(self, path: Path) -> int:
        try:
            self._check_root(path, path.resolve())  # outside the roots nothing is opened, nor said to exist
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise TerminalError("not_found", f"{path} does not exist on this machine.") from None
        except PermissionError:
            raise TerminalError("forbidden", f"{path} may not be read by this user.") from None
        except RuntimeError:
            raise TerminalError("not_found", f"{path} is a loop of links.") from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
                raise TerminalError("not_found", f"{path} cannot be found: {error.strerror}.") from error
            raise TransientError("io_error", f"{path} cannot be read: {error.strerror}.") from error

    def _check_root(self, path: Path, real: Path) -> None:
        if not any(real.is_relative_to(root.resolve()) for root in self._settings.file_roots):
            known = ", ".join(map(str, self._settings.file_roots)) or "none"
            text = f"{path} is outside the allowed folders ({known}). Add its folder to download.file_roots."
            raise TerminalError("not_allowed", text)


def _path_of(url: str) -> Path:
    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise TerminalError("invalid_url", f"A file has to be given as file:///absolute/path, not {url[:200]!r}.")
    return Path(path)


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)


def _take(source: int, target: Path, stopped: threading.Event) -> None:
    """Share the opened file under the name `target`, or copy it. What an earlier attempt left is replaced."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        if not _share(source, part):
            _copy(source, part, stopped)
    except OSError as error:
        part.unlink(missing_ok=True)
        reason = "disk_full" if error.errno in DISK_FULL else "io_error"
        raise TransientError(reason, f"{target.name} cannot be written: {error.strerror}.") from error
    part.replace(target)


def _share(source: int, target: Path) -> bool:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        fcntl.ioctl(descriptor, _FICLONE, source)
        return True
    except OSError:  # another file system, or one that cannot: a hard link may do
        target.unlink()
    finally:
        os.close(descriptor)
    try:
        os.link(f"/proc/self/fd/{source}", target, follow_symlinks=True)
    except OSError:  # another file system, or a file of another user: it has to be copied
        return False
    return True


def _copy(source: int, target: Path, stopped: threading.Event) -> None:
    with target.open("xb") as file:
        while os.sendfile(file.fileno(), source, None, _CHUNK_BYTES):
            if stopped.is_set():
                raise OSError(errno.ECANCELED, "stopped")
