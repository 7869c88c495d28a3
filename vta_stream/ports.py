"""What the stages need from the world, and the errors they may answer with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from vta_stream.domain.clip import Caption, Clip, Features
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.scores import Scores
from vta_stream.domain.transcript import Transcript
from vta_stream.domain.verdict import Verdict
from vta_stream.domain.video import Fetched, MediaFile, VideoRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Images = npt.NDArray[np.uint8]
    Vectors = npt.NDArray[np.float32]


class StageError(Exception):
    """An error that a stage understands. `reason` is a short snake_case slug and becomes a metric label.

    `str(error)` is the sentence for a person: what is wrong and, where there is one, the remedy.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TransientError(StageError):
    """It may work later: the shell backs off, then uses the retries topic. Counts as an attempt."""


class DeferError(StageError):
    """It will work later and nobody is to blame (a live stream, a 429). Costs no attempt.

    `after_s` is how long to wait at least, in seconds. `scope` says what has to wait: this message, its
    host, or everything that leaves through this machine's address.
    """

    def __init__(self, reason: str, message: str, after_s: float, scope: str = "message") -> None:
        super().__init__(reason, message)
        self.after_s = after_s
        self.scope = scope


class TerminalError(StageError):
    """It can never work: the input goes to the dead letters with `reason`, and the video gets its row."""


R_contra = TypeVar("R_contra", contravariant=True)

Outcome = tuple[Emission, ...] | StageError
"""What a stage says of one delivery: the records to send on, or the failure as a value."""


class Stage(Protocol[R_contra]):
    """One step of work that knows no Kafka.

    `batch_max` deliveries at most reach `process` at once (1: no batching); `batch_wait_s` is how long
    the shell waits to fill a batch. `concurrency` calls of `process` may run at a time. An `ordered`
    stage gets deliveries of a partition strictly in offset order, one call at a time, and is retried in
    place: a later record never overtakes an earlier one.
    """

    name: str
    batch_max: int
    batch_wait_s: float
    concurrency: int
    ordered: bool

    async def setup(self) -> None:
        """Load weights, open files. Raises StageError with what is missing and how to get it."""

    async def process(self, deliveries: Sequence[Delivery[R_contra]]) -> Sequence[Outcome]:
        """Work on the deliveries off the event loop; one outcome each, in their order.

        An exception that is no StageError is a defect: the shell runs the batch again one by one, and
        the delivery that raises alone goes to the dead letters as `unknown`.
        """

    async def close(self) -> None:
        """Release what `setup` took. Safe to call twice, and after a failed `setup`."""


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
        """Delete all files of a video; returns the bytes freed. Nothing there is no error."""

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


class ClipInputs(Protocol):
    """What a scorer may look at, computed once a clip and shared by all scorers."""

    @property
    def clip(self) -> Clip:
        """The clip's record."""

    @property
    def images(self) -> Sequence[Images]:
        """The sampled frames in time order, RGB uint8 (height, width, 3)."""

    @property
    def features(self) -> Features | None:
        """Where the features were stored, or None if no scorer asked for them."""

    def frame_embeddings(self) -> Vectors:
        """(frames, dim), computed on the first call, for all clips of the batch at once."""

    def text_embedding(self) -> Vectors | None:
        """(dim,), or None for a clip without text."""


class Scorer(Protocol):
    """Measures clips. One file in `scorers/` and one line of settings add one."""

    def setup(self, models: Models) -> None:
        """Load what is needed."""

    def score(self, batch: Sequence[ClipInputs]) -> Sequence[Scores]:
        """One `Scores` a clip, in order; a measurement that fails is a failure with a reason."""


class Filter(Protocol):
    """Judges one clip by its scores. One file in `filters/` and one line of settings add one."""

    name: str
    needs: str
    """The score that is judged."""
    after: str
    """The stage after which the score exists: `score` or `caption`."""

    def judge(self, clip: Clip) -> Verdict:
        """The verdict; a missing or failed score is a `keep=False` that says so."""


class Captioner(Protocol):
    """Writes captions. One file in `captioners/` and one line of settings add one."""

    def setup(self, models: Models) -> None:
        """Load what is needed."""

    def caption(self, batch: Sequence[ClipInputs]) -> Sequence[Caption | None]:
        """One caption a clip, in order; None where there is nothing to say (no speech, say)."""


AnyStage = Stage[Any]
