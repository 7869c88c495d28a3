"""Ways to get a video, and models that look and listen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vta_stream.domain.transcript import Transcript
from vta_stream.domain.video import Fetched, VideoRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Images = npt.NDArray[np.uint8]
    Vectors = npt.NDArray[np.float32]


class VideoSource(Protocol):
    """One way to get a video: YouTube, a URL, a file."""

    async def setup(self) -> None:
        """Check what fetching needs. Raises StageError with what is missing and how to get it."""

    async def fetch(self, request: VideoRequest, folder: Path) -> Fetched:
        """Put the media and its subtitles into `folder`; continues what an earlier attempt left there.

        Raises StageError. Cancelling it stops all work, child processes included.
        """

    async def close(self) -> None:
        """Release what `setup` and `fetch` took. Safe to call twice."""


class SpeechRecognizer(Protocol):
    """Speech to words with times."""

    @property
    def model_id(self) -> str:
        """Weights and settings, as they are written to the transcript."""

    def setup(self) -> None:
        """Load the weights."""

    def transcribe(self, media: Path, video_id: str, language: str | None) -> Transcript:
        """Recognise a 16 kHz mono 16-bit WAV file whose start is the video's zero; blocking.

        `language` is Whisper's code, None to detect it. TransientError `stopping` after `close`.
        """

    def close(self) -> None:
        """Release the weights; a `transcribe` that runs ends soon. Safe to call twice."""


class ImageTextModel(Protocol):
    """Images and texts in one space (CLIP and kin). Embeddings are L2-normalised float32."""

    model_id: str
    dim: int

    def setup(self) -> None:
        """Load the weights; cheap if they are loaded."""

    def embed_images(self, images: Sequence[Images]) -> Vectors:
        """RGB uint8 images (height, width, 3) of any sizes to (len(images), dim); blocking."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts to (len(texts), dim); blocking. Longer ones are cut at the model's context length."""


class CaptionModel(Protocol):
    """Images to sentences."""

    model_id: str

    def setup(self) -> None:
        """Load the weights; cheap if they are loaded."""

    def caption(self, images: Sequence[Images]) -> Sequence[str]:
        """One sentence an image; blocking."""


class Models(Protocol):
    """The models of one worker process; each is loaded once, whoever asks."""

    def image_text(self) -> ImageTextModel:
        """The model that scores and embeds."""

    def captions(self) -> CaptionModel:
        """The model that writes captions."""
