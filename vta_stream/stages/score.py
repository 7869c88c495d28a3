"""Score: every measurement of a clip, then every filter's verdict on it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

from vta_stream.domain.clip import Clip
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.scores import Scores
from vta_stream.ports import Filter, MediaStore, Models, Outcome, Scorer
from vta_stream.settings.work import ScoreSettings
from vta_stream.stages.clip_batches import ClipBatchStage, observe
from vta_stream.stages.clip_inputs import BatchInputs, ClipBatch, FrameReader


class ScoreStage(ClipBatchStage):
    """`clips.segmented` to `clips.scored` or `clips.rejected`.

    Every scorer measures every clip, and every filter of `after="score"` judges every clip: a rejected
    one keeps all its scores and verdicts. A measurement that fails is a failure of that clip alone.
    """

    name = "score"

    def __init__(
        self,
        store: MediaStore,
        scorers: Mapping[str, Scorer],
        filters: Sequence[Filter],
        models: Models,
        settings: ScoreSettings,
        read_frames: FrameReader,
    ) -> None:
        super().__init__(store, models, settings.batch_max, settings.batch_wait_s, read_frames)
        self._scorers = scorers
        self._filters = [each for each in filters if each.after == "score"]

    def load(self) -> None:
        """Set up all scorers."""
        for scorer in self._scorers.values():
            scorer.setup(self.models)

    def work(self, deliveries: Sequence[Delivery[Clip]], batch: ClipBatch) -> Sequence[Outcome]:
        """Measure, then judge."""
        found = [Scores() for _ in batch.inputs]
        for scorer in self._scorers.values():
            measured = scorer.score(batch.inputs)
            found = [earlier.merge(scores) for earlier, scores in zip(found, measured, strict=True)]
        now_s = time.time()
        return [(self._judge(inputs, scores, now_s),) for inputs, scores in zip(batch.inputs, found, strict=True)]

    def _judge(self, inputs: BatchInputs, found: Scores, now_s: float) -> Emission:
        clip = dataclasses.replace(
            inputs.clip,
            scores=inputs.clip.scores.merge(found),
            features=inputs.features or inputs.clip.features,
            judged_at_s=now_s,
        )
        # Those of the decode pass are counted here too: this is where a clip's scores are complete.
        observe(clip.scores)
        clip = dataclasses.replace(clip, verdicts=tuple(each.judge(clip) for each in self._filters))
        return Emission("clips.scored" if clip.accepted else "clips.rejected", clip)
