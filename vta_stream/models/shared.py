"""The models of one worker process: each is made once, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vta_stream.ports import CaptionModel, ImageTextModel


class SharedModels:
    """`ports.Models` over two constructors, which are called on the first request and never again.

    Constructors are cheap: weights are loaded by `setup` of the model, in the stage that needs it.
    Thread-safe.
    """

    def __init__(self, image_text: Callable[[], ImageTextModel], captions: Callable[[], CaptionModel]) -> None:
        self._lock = threading.Lock()
        self._make_image_text = image_text
        self._make_captions = captions
        self._image_text: ImageTextModel | None = None
        self._captions: CaptionModel | None = None

    def image_text(self) -> ImageTextModel:
        """The model that scores and embeds."""
        with self._lock:
            if self._image_text is None:
                self._image_text = self._make_image_text()
            return self._image_text

    def captions(self) -> CaptionModel:
        """The model that writes captions."""
        with self._lock:
            if self._captions is None:
                self._captions = self._make_captions()
            return self._captions
