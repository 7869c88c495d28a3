"""The last stage: every record into the dataset, exactly once, and the media of ended videos out of the way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from vta_stream.domain.delivery import Delivery
from vta_stream.ports import Committed, Dataset, MediaStore, Outcome, StageError
from vta_stream.settings.work import StoreSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

TICK_S = 1.0
_FORGOTTEN_S = 86_400.0
"""Media of an ended video that nobody touched for so long are left over, whatever the reason."""


class SweepableMediaStore(MediaStore, Protocol):
    """A media store that can say what it holds."""

    def videos(self) -> Sequence[str]:
        """The IDs of all videos that have files here."""

    def changed_at_s(self, video_id: str) -> float:
        """Unix time of the last change among a video's files."""


class StoreStage:
    """Takes `clips.embedded`, `clips.rejected`, `videos.done` and `dead-letters` into the dataset.

    Ordered, one commit at a time, and all of it in one thread of its own, where the catalog's connection
    lives. It emits nothing. The dataset's offsets are part of its commits, so a record that comes again is
    known. Media are removed after the commit that ends their video; what a crash leaves is swept at the
    next start, and after each maintenance.
    """

    def __init__(
        self,
        dataset: Dataset,
        media: SweepableMediaStore,
        settings: StoreSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = "store"
        self.batch_max = settings.commit_records_max
        self.batch_wait_s = settings.commit_wait_s
        self.concurrency = 1
        self.ordered = True
        self._dataset = dataset
        self._media = media
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def setup(self) -> None:
        """Open the dataset (which recovers it) and remove media that an earlier end left behind."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        await self._in_thread(self._dataset.open)
        await self._in_thread(self._sweep)
        self._ticker = asyncio.create_task(self._tick_on())

    async def check_log_ends(self, ends: Mapping[tuple[str, str, int], int]) -> None:
        """To be asked after `setup`, before the first record; see ports.Dataset."""
        await self._in_thread(lambda: self._dataset.check_log_ends(ends))

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        """One commit. A TransientError is everybody's, and nothing was added; a TerminalError is one record's."""
        try:
            committed = await self._in_thread(lambda: self._commit(deliveries))
        except StageError as error:
            return [error] * len(deliveries)
        return [committed.failures.get(index, ()) for index in range(len(deliveries))]

    async def close(self) -> None:
        """Let a running commit end, then close the dataset."""
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.cancel()
            await asyncio.gather(ticker, return_exceptions=True)
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._dataset.close)
            thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise RuntimeError("the store stage is not set up")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _commit(self, deliveries: Sequence[Delivery[Any]]) -> Committed:
        # Commit and removal are one piece of work, so that a caller that is cancelled between leaves no media.
        committed = self._dataset.commit(deliveries)
        for video_id in committed.finished_videos:
            self._remove(video_id)
        return committed

    def _remove(self, video_id: str) -> None:
        try:
            self._media.remove_video(video_id)
        except (StageError, OSError) as error:  # it takes room, but no data: the sweep tries again
            log.warning("the media of %s could not be removed: %s", video_id, error)

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._in_thread(self._tick)
            except StageError as error:
                log.warning("between commits: %s", error)

    def _tick(self) -> None:
        if self._dataset.tick():
            self._sweep()

    def _sweep(self) -> None:
        """Remove media that outlived the end of their video, unless the video is in work again."""
        for video_id, ended_at_s in self._dataset.ended_at_s(self._media.videos()).items():
            changed_at_s = self._media.changed_at_s(video_id)
            if changed_at_s <= ended_at_s or changed_at_s < self._clock() - _FORGOTTEN_S:
                self._remove(video_id)
