"""What CoCa sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vta_stream.domain.clip import Caption
from vta_stream.ports import CaptionModel, ClipInputs, Models


@dataclass(frozen=True)
class CocaCaptioner:
    """The caption model's sentence for the middle frame; None where it writes nothing or there is no frame."""

    _model: list[CaptionModel] = field(default_factory=list, init=False, repr=False, compare=False)

    def setup(self, models: Models) -> None:
        """Load the caption model."""
        model = models.captions()
        model.setup()
        self._model[:] = [model]

    def caption(self, batch: Sequence[ClipInputs]) -> Sequence[Caption | None]:
        """One caption a clip, in order; all middle frames go through the model together."""
        (model,) = self._model
        chosen = [(index, inputs.images) for index, inputs in enumerate(batch) if len(inputs.images)]
        texts = model.caption([images[len(images) // 2] for _, images in chosen])
        captions: list[Caption | None] = [None] * len(batch)
        for (index, _), text in zip(chosen, texts, strict=True):
            if text.strip():
                captions[index] = Caption("coca", text.strip(), model=model.model_id)
        return captions


PLUGIN = CocaCaptioner
