"""Caption: texts for a clip, and how well each fits."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

from vta_stream.domain.clip import Caption, Clip
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.scores import Scores
from vta_stream.ports import Captioner, Filter, MediaStore, Models, Outcome
from vta_stream.scorers.base import best_match
from vta_stream.settings.work import CaptionSettings
from vta_stream.stages.clip_batches import ClipBatchStage, observe
from vta_stream.stages.clip_inputs import BatchInputs, ClipBatch, FrameReader

CAPTION_MATCH = "caption_match"


class CaptionStage(ClipBatchStage):
    """`clips.scored` to `clips.captioned` or `clips.rejected`.

    Every caption gets its `match`, the cosine with the best of the first, middle and last frame. The
    score `caption_match` is the best of the captions that a model wrote; a clip for which nobody had a
    word to say, neither a model nor the transcript, has it as a failure. The filters of `after="caption"`
    then add their verdicts to those of score.
    """

    name = "caption"

    def __init__(
        self,
        store: MediaStore,
        captioners: Mapping[str, Captioner],
        filters: Sequence[Filter],
        models: Models,
        settings: CaptionSettings,
        read_frames: FrameReader,
    ) -> None:
        super().__init__(store, models, settings.batch_max, settings.batch_wait_s, read_frames)
        self._captioners = captioners
        self._filters = [each for each in filters if each.after == "caption"]

    def load(self) -> None:
        """Set up all captioners, and the model that says how well captions fit."""
        # Captioners first: that the other model is missing is told by score and embed too.
        for captioner in self._captioners.values():
            captioner.setup(self.models)
        self.models.image_text().setup()

    def work(self, deliveries: Sequence[Delivery[Clip]], batch: ClipBatch) -> Sequence[Outcome]:
        """Write, match, judge."""
        written: list[list[Caption]] = [[] for _ in batch.inputs]
        for captioner in self._captioners.values():
            for captions, caption in zip(written, captioner.caption(batch.inputs), strict=True):
                if caption is not None:
                    captions.append(caption)
        vectors = iter(self.models.image_text().embed_texts([each.text for captions in written for each in captions]))
        outcomes: list[Outcome] = []
        for inputs, captions in zip(batch.inputs, written, strict=True):
            frames = inputs.frame_embeddings()
            # The vectors are taken in any case: they stand in the order of all captions.
            pairs = [(caption, next(vectors)) for caption in captions]
            matched = (
                [dataclasses.replace(caption, match=best_match(frames, vector)) for caption, vector in pairs]
                if len(frames)
                else captions
            )
            outcomes.append((self._judge(inputs, tuple(matched)),))
        return outcomes

    def _judge(self, inputs: BatchInputs, captions: tuple[Caption, ...]) -> Emission:
        found = caption_scores(captions)
        observe(found)
        # A redelivery through the retries topic may carry what an earlier attempt put in: say it once.
        mine = {each.name for each in self._filters}
        earlier = tuple(verdict for verdict in inputs.clip.verdicts if verdict.filter not in mine)
        clip = dataclasses.replace(
            inputs.clip,
            captions=captions,
            scores=inputs.clip.scores.merge(found),
            features=inputs.features or inputs.clip.features,
            judged_at_s=time.time(),
        )
        clip = dataclasses.replace(clip, verdicts=earlier + tuple(each.judge(clip) for each in self._filters))
        return Emission("clips.captioned" if clip.accepted else "clips.rejected", clip)


def caption_scores(captions: Sequence[Caption]) -> Scores:
    """`caption_match`: a value, a failure, or left out where no model wrote but there is a transcript."""
    if not captions:
        return Scores(failures={CAPTION_MATCH: "there is no caption at all"})
    generated = [caption for caption in captions if caption.model is not None]
    matches = [caption.match for caption in generated if caption.match is not None]
    if matches:
        return Scores(values={CAPTION_MATCH: max(matches)})
    return Scores(failures={CAPTION_MATCH: "there are no frames to match"}) if generated else Scores()
