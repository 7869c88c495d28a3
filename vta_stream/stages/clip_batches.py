"""What score, caption and embed share: batches of clips, worked on in one thread beside the event loop."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vta_stream import metrics
from vta_stream.domain.clip import Clip
from vta_stream.domain.delivery import Delivery
from vta_stream.domain.scores import Scores
from vta_stream.ports import MediaStore, Models, Outcome, StageError
from vta_stream.stages.clip_inputs import ClipBatch, FrameReader, read_images

if TYPE_CHECKING:
    from vta_stream.ports import Images


class ClipBatchStage(ABC):
    """A stage over clips and their sampled frames. One thread, so that one batch is in the model at a time.

    A clip whose frames cannot be read fails alone; the others of its batch go on.
    """

    name: str
    concurrency = 1
    ordered = False

    def __init__(
        self, store: MediaStore, models: Models, batch_max: int, batch_wait_s: float, read_frames: FrameReader
    ) -> None:
        self.store = store
        self.models = models
        self.batch_max = batch_max
        self.batch_wait_s = batch_wait_s
        self._read_frames = read_frames
        self._thread: ThreadPoolExecutor | None = None

    async def setup(self) -> None:
        """Load the weights that are needed. Raises TerminalError `model_missing`."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)
        await asyncio.get_running_loop().run_in_executor(self._thread, self.load)

    async def process(self, deliveries: Sequence[Delivery[Clip]]) -> Sequence[Outcome]:
        """One outcome a delivery, in order."""
        if self._thread is None:
            raise RuntimeError("setup() has not been called")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._process, deliveries)

    async def close(self) -> None:
        """Let the thread go, after the batch it works on."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    @abstractmethod
    def load(self) -> None:
        """Set up plug-ins and models; runs in the thread."""

    @abstractmethod
    def work(self, deliveries: Sequence[Delivery[Clip]], batch: ClipBatch) -> Sequence[Outcome]:
        """One outcome for each clip of `batch`, which are those of `deliveries`; runs in the thread."""

    def wants_frames(self, clip: Clip) -> bool:
        """False if the clip can be worked on without its frames."""
        return True

    def _process(self, deliveries: Sequence[Delivery[Clip]]) -> Sequence[Outcome]:
        outcomes: dict[int, Outcome] = {}
        images: dict[int, Sequence[Images] | None] = {}
        for index, delivery in enumerate(deliveries):
            try:
                wanted = self.wants_frames(delivery.record)
                images[index] = read_images(self.store, delivery.record, self._read_frames) if wanted else None
            except StageError as error:
                outcomes[index] = error
        rest = [deliveries[index] for index in images]
        if rest:
            batch = ClipBatch(self.store, self.models, [each.record for each in rest], list(images.values()))
            outcomes.update(zip(images, self._work(rest, batch), strict=True))
        return [outcomes[index] for index in range(len(deliveries))]

    def _work(self, deliveries: Sequence[Delivery[Clip]], batch: ClipBatch) -> Sequence[Outcome]:
        try:
            return self.work(deliveries, batch)
        except StageError as error:  # of the whole batch: no room on the device, no room on the disk
            return [error] * len(deliveries)


def observe(scores: Scores) -> None:
    """Count measurements and failures in the metrics."""
    for name, value in scores.values.items():
        metrics.SCORES.labels(name).observe(value)
    for name in scores.failures:
        metrics.SCORE_FAILURES.labels(name).inc()
