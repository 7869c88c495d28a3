"""Where media in progress and the dataset are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vta_stream.domain.delivery import Delivery
from vta_stream.domain.video import MediaFile
from vta_stream.ports.errors import StageError


class MediaStore(Protocol):
    """Files of videos in progress, content-addressed by (video, stage, settings), within a byte budget.

    Local paths are handed out, because decoders want files. A file is written under a temporary name and
    renamed, so that what exists is whole.
    """

    def path(self, relative: str) -> Path:
        """The local path of a stored file; raises ValueError for one that would leave the store."""

    def artifact(self, video_id: str, stage: str, key: str) -> ArtifactFolder:
        """The folder for one stage's files of one video under one settings key."""

    def describe(self, relative: str) -> MediaFile:
        """Size and SHA-256 of a stored file. TransientError `media_gone` if it is not there."""

    def remove_video(self, video_id: str) -> int:
        """Delete all files of a video; returns the bytes freed. Nothing there is no error.

        TransientError `media_busy` if somebody is at work on them.
        """

    def used_bytes(self) -> int:
        """Bytes of all stored files."""

    async def wait_for_room(self) -> None:
        """Return once the store is under its limits: full means wait, with hysteresis."""


class ArtifactFolder(Protocol):
    """A folder that appears whole or not at all."""

    @property
    def relative(self) -> str:
        """The folder's path relative to the media store."""

    def exists(self) -> bool:
        """True if a finished artifact is there already: a redelivery need not do the work again."""

    def begin(self) -> Path:
        """A local folder to work in. What an interrupted earlier attempt left there is still there."""

    def alone(self) -> AbstractContextManager[Path]:
        """`begin` for one at a time, in all processes; DeferError `in_work` if another one is in the block."""

    def commit(self) -> None:
        """fsync and rename the working folder to its final name. Does nothing if it exists already."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit of the dataset says: failures by the index of their delivery, all else is in.

    `finished_videos` have ended (done or failed), so their media may go.
    """

    failures: Mapping[int, StageError]
    finished_videos: Sequence[str]


class Dataset(Protocol):
    """The tables and shards. One writer, used from one thread from `open` to `close`; blocking."""

    def open(self) -> None:
        """Take the writer's lock, open the catalog, recover. TerminalError with what is wrong."""

    def commit(self, deliveries: Sequence[Delivery[Any]]) -> Committed:
        """Add the records, exactly once; all is on disk when it returns. TransientError: nothing was added."""

    def check_log_ends(self, ends: Mapping[tuple[str, str, int], int]) -> None:
        """TerminalError if a log ends before the offset that the dataset has read it to.

        `ends`: (cluster id, topic id, partition) to the offset that is written next; unknown logs are fine.
        """

    def tick(self) -> bool:
        """What is due between commits: old shards sealed, small files merged. True after a maintenance."""

    def ended_at_s(self, video_ids: Collection[str]) -> Mapping[str, float]:
        """When those of the videos ended (Unix seconds) that are done or failed."""

    def close(self) -> None:
        """Release everything; safe to call twice, and without `open`."""
