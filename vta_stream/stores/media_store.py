"""Media in progress on a local disk: artifacts that are whole or not there, within a byte budget."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from vta_stream import metrics
from vta_stream.domain.ids import VIDEO_ID, check_video_id
from vta_stream.domain.video import MediaFile
from vta_stream.failpoints import hit
from vta_stream.ports import DeferError, TransientError
from vta_stream.settings.work import MediaStoreSettings
from vta_stream.stores.files import sync_file, sync_folder

_PART = ".part"
_WORD = re.compile(r"[A-Za-z0-9_]+")
_LOOK_AGAIN_S = 1.0
_TRIES = 3
_IN_WORK_S = 5.0
"""So long after finding that another delivery is at work, a delivery comes again: to find what that one made."""


class LocalMediaStore:
    """`<root>/<video_id>/<stage>-<key>/…`; while an artifact is in work its folder is called `….part`.

    Several stages and threads may use one store. `used_bytes` is counted once from the disk, at the first
    use, and kept from then on: whatever finished artifacts hold. Works in progress are bounded by
    `min_free_bytes`, since the disk itself is asked for that. Several processes may share a root; each
    counts the others' artifacts anew when it finds the store full.
    """

    def __init__(self, root: Path, settings: MediaStoreSettings) -> None:
        self._root = root.absolute()
        self._settings = settings
        self._lock = threading.Lock()
        self._used_bytes: int | None = None
        self._paused = False

    @property
    def root(self) -> Path:
        """The folder of it all, absolute."""
        return self._root

    def path(self, relative: str) -> Path:
        """The local path of a stored file; ValueError for one that would leave the store.

        Links are refused as well, since nothing in here makes any.
        """
        parts = PurePosixPath(relative).parts
        if not parts or "\0" in relative or relative.startswith("/") or ".." in parts:
            raise ValueError(f"not a path in the media store: {relative[:200]!r}")
        path = self._root.joinpath(*parts)
        if path.resolve() != self._root.resolve().joinpath(*parts):
            raise ValueError(f"leads out of the media store, or through a link: {relative[:200]!r}")
        return path

    def artifact(self, video_id: str, stage: str, key: str) -> LocalArtifactFolder:
        """The folder for one stage's files of one video; `stage` and `key` are letters, digits and `_`."""
        for word in (stage, key):
            if not _WORD.fullmatch(word):
                raise ValueError(f"not a name for an artifact (letters, digits and _): {word[:80]!r}")
        return LocalArtifactFolder(self, f"{check_video_id(video_id)}/{stage}-{key}")

    def describe(self, relative: str) -> MediaFile:
        """Size and SHA-256 of a stored file, read in full; TransientError `media_gone` if it is not there."""
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with self.path(relative).open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
                    size_bytes += len(block)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise TransientError("media_gone", f"{relative} is not in the media store (any more)") from error
        return MediaFile(relative, size_bytes, digest.hexdigest())

    def remove_video(self, video_id: str) -> int:
        """Delete all files of a video, what interrupted works left included; returns the bytes freed, 0 if none.

        TransientError `media_busy` if somebody is at work on it: the video was published again, say.
        """
        folder = self._root / check_video_id(video_id)
        hit("media.removing")
        with self._lock, _all_alone(folder):
            freed_bytes, counted_bytes = _tree_bytes(folder), _artifact_bytes(folder)
            for _ in range(_TRIES):
                shutil.rmtree(folder, ignore_errors=True)  # what is left is looked at right here
                if not folder.exists():
                    break
            else:
                self._used_bytes = None
                raise TransientError("media_busy", f"{folder} cannot be removed: somebody writes into it")
            self._count(-counted_bytes)
        hit("media.removed")
        return freed_bytes

    def videos(self) -> Sequence[str]:
        """The IDs of all videos that have files here, in no order."""
        if not self._root.is_dir():
            return ()
        entries = (entry for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False))
        return tuple(entry.name for entry in entries if VIDEO_ID.fullmatch(entry.name))

    def changed_at_s(self, video_id: str) -> float:
        """Unix time of the last change among a video's files and folders; 0.0 if it has none."""
        folder = self._root / check_video_id(video_id)
        times = [0.0]
        for place, _, names in os.walk(folder):
            for path in (Path(place), *(Path(place) / name for name in names)):
                try:
                    times.append(path.lstat().st_mtime)
                except FileNotFoundError:  # another stage removed or renamed it meanwhile
                    continue
        return max(times)

    def used_bytes(self) -> int:
        """Bytes of all finished artifacts."""
        with self._lock:
            return self._count(0)

    def publish(self, part: Path, final: Path) -> None:
        """Rename a finished work to its final name, and count its bytes with the same breath."""
        size_bytes = _tree_bytes(part)
        hit("media.synced")
        with self._lock:
            self._count(0)
            part.rename(final)
            self._count(size_bytes)
        sync_folder(final.parent)
        hit("media.published")

    def _count(self, change_bytes: int) -> int:
        if self._used_bytes is None:  # the disk as it is now holds the change already
            self._root.mkdir(parents=True, exist_ok=True)
            self._used_bytes = sum(_artifact_bytes(self._root / video_id) for video_id in self.videos())
        else:
            self._used_bytes = max(0, self._used_bytes + change_bytes)
        metrics.MEDIA_STORE_BYTES.set(self._used_bytes)
        return self._used_bytes

    def free_bytes(self) -> int:
        """Free bytes of the disk under the store, for a user without privileges."""
        self._root.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(self._root).free
        metrics.DISK_FREE.set(free_bytes)
        return free_bytes

    async def wait_for_room(self) -> None:
        """Return once there is room: under the limit, or, after it was full, under `resume_share` of it.

        The same holds for the disk's free bytes: once below `min_free_bytes`, it takes a tenth more to
        resume. Looks again every second, off the event loop.
        """
        while not await asyncio.to_thread(self._has_room):  # noqa: ASYNC110 (room is made by other processes too)
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _has_room(self) -> bool:
        limit_bytes = self._settings.limit_bytes
        free_wanted_bytes = self._settings.min_free_bytes
        if self._paused:
            # Other processes may have removed what this one counts, so a paused store looks at the disk.
            with self._lock:
                self._used_bytes = None
            limit_bytes = int(limit_bytes * self._settings.resume_share)
            free_wanted_bytes = int(free_wanted_bytes * 1.1)
        self._paused = self.used_bytes() >= limit_bytes or self.free_bytes() < free_wanted_bytes
        metrics.MEDIA_STORE_PAUSED.set(int(self._paused))
        return not self._paused


class LocalArtifactFolder:
    """A folder that appears whole or not at all; an interrupted attempt's work is still there next time."""

    def __init__(self, store: LocalMediaStore, relative: str) -> None:
        self._store = store
        self._relative = relative
        self._final = store.path(relative)
        self._part = self._final.with_name(self._final.name + _PART)

    @property
    def relative(self) -> str:
        """The folder's path relative to the media store."""
        return self._relative

    def exists(self) -> bool:
        """True if the finished artifact is there."""
        return self._final.is_dir()

    def begin(self) -> Path:
        """The `.part` folder to work in, made if need be; an earlier attempt's files are still in it."""
        self._part.mkdir(parents=True, exist_ok=True)
        return self._part

    @contextmanager
    def alone(self) -> Iterator[Path]:
        """`begin`, and until the block ends nobody else gets in: no other delivery, and no other process.

        DeferError `in_work` if somebody else is in; the kernel lets them out when their process dies.
        """
        for _ in range(_TRIES):
            try:
                held = _hold(self.begin())
            except FileNotFoundError:  # removed in the same moment
                continue
            if held is None:
                break
            try:
                if _is_still(self._part, held):
                    yield self._part
                    return
            finally:
                os.close(held)
            # Whoever was in has just renamed or removed it: what is locked is not what has the name now.
        raise DeferError("in_work", f"{self._relative} is being made for another delivery of its video", _IN_WORK_S)

    def commit(self) -> None:
        """fsync all files and folders and rename; does nothing (but drop the work) if it exists already."""
        if self.exists():
            shutil.rmtree(self._part, ignore_errors=True)
            return
        for place, _, names in os.walk(self._part):
            for name in names:
                sync_file(Path(place) / name)
            sync_folder(Path(place))
        self._store.publish(self._part, self._final)


def _hold(folder: Path) -> int | None:
    """Lock a folder; the descriptor that keeps it locked until it is closed. None if another one has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is_still(folder: Path, held: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(held))
    except FileNotFoundError:
        return False


@contextmanager
def _all_alone(video_folder: Path) -> Iterator[None]:
    """Hold all works of a video; TransientError `media_busy` if somebody is at one."""
    with ExitStack() as stack:
        for part in video_folder.glob(f"*{_PART}"):
            try:
                held = _hold(part)
            except FileNotFoundError:  # it has just become an artifact
                continue
            if held is None:
                raise TransientError("media_busy", f"{part} is in work, so the video's media stay for now")
            stack.callback(os.close, held)
        yield


def _tree_bytes(folder: Path) -> int:
    total_bytes = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total_bytes += (Path(place) / name).lstat().st_size
            except FileNotFoundError:  # a work in progress renames its files
                continue
    return total_bytes


def _artifact_bytes(video_folder: Path) -> int:
    if not video_folder.is_dir():
        return 0
    return sum(
        _tree_bytes(Path(entry.path))
        for entry in os.scandir(video_folder)
        if entry.is_dir(follow_symlinks=False) and not entry.name.endswith(_PART)
    )
