"""Embed: frame and text embeddings of accepted clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vta_stream.domain.clip import Clip
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.ports import MediaStore, Models, Outcome, TerminalError
from vta_stream.settings.work import EmbedSettings
from vta_stream.stages.clip_batches import ClipBatchStage
from vta_stream.stages.clip_inputs import ClipBatch, FrameReader, find_features


class EmbedStage(ClipBatchStage):
    """`clips.captioned` to `clips.embedded`: every clip leaves with features of the configured model.

    Features that score or caption stored with the same weights are used again; frames are read only
    where they have to be computed. A clip without sampled frames ends as `no_frames`.
    """

    name = "embed"

    def __init__(self, store: MediaStore, models: Models, settings: EmbedSettings, read_frames: FrameReader) -> None:
        super().__init__(store, models, settings.batch_max, settings.batch_wait_s, read_frames)

    def load(self) -> None:
        """Set up the image-text model."""
        self.models.image_text().setup()

    def wants_frames(self, clip: Clip) -> bool:
        """False if the features are there already."""
        return find_features(self.store, self.models.image_text(), clip) is None

    def work(self, deliveries: Sequence[Delivery[Clip]], batch: ClipBatch) -> Sequence[Outcome]:
        """Embed what is not embedded."""
        embedded = batch.embed()
        outcomes: list[Outcome] = []
        for inputs in batch.inputs:
            features = embedded[inputs.clip.clip_id].features
            if features.frame_count == 0:
                outcomes.append(TerminalError("no_frames", f"{inputs.clip.clip_id} has no sampled frames to embed"))
                continue
            outcomes.append((Emission("clips.embedded", dataclasses.replace(inputs.clip, features=features)),))
        return outcomes
