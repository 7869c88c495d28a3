"""What scorers and captioners look at: a batch of clips whose embeddings are computed together, once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.domain.clip import Clip, Features
from vta_stream.ports import ImageTextModel, MediaStore, Models, TerminalError, TransientError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vta_stream.ports import Images, Vectors

FEATURES_FILE = "features.npz"

FrameReader = Callable[[Path], tuple[Any, Sequence["Images"]]]
"""Sampled frames of a file: (times in seconds, RGB uint8 pictures), in time order. StageError if it cannot."""


@dataclass(frozen=True)
class Embedded:
    """Features in memory: `frames` (frames, dim) and `text` (dim,) or None, and where they are stored."""

    frames: Vectors
    text: Vectors | None
    features: Features


class BatchInputs:
    """`ports.ClipInputs` of one clip of a batch. `images` None: its frames were not read, for there are features."""

    def __init__(self, batch: ClipBatch, clip: Clip, images: Sequence[Images] | None) -> None:
        self._batch = batch
        self._images = images
        self.clip = clip

    @property
    def images(self) -> Sequence[Images]:
        """The sampled frames. TransientError `features_gone` if the stage left them out, counting on features."""
        if self._images is None:
            # They were there a moment ago: somebody removed them, so the next attempt reads the frames.
            raise TransientError("features_gone", f"the features of {self.clip.clip_id} went away while in use")
        return self._images

    @property
    def features(self) -> Features | None:
        """Where the features were stored, or None if nobody asked for them."""
        embedded = self._batch.embedded.get(self.clip.clip_id)
        return embedded.features if embedded else None

    def frame_embeddings(self) -> Vectors:
        """(frames, dim) of length 1 to float16's precision; the first call computes the whole batch."""
        return self._batch.embed()[self.clip.clip_id].frames

    def text_embedding(self) -> Vectors | None:
        """(dim,), or None for a clip without text."""
        return self._batch.embed()[self.clip.clip_id].text


class ClipBatch:
    """Clips with their frames, and their features: from the store where they are, else computed and stored.

    All that is missing of all clips goes through the model together. What comes back is what was stored
    (float16), so that a redelivery scores exactly as the first time. Used by one thread.
    """

    def __init__(
        self, store: MediaStore, models: Models, clips: Sequence[Clip], images: Sequence[Sequence[Images] | None]
    ) -> None:
        self._store = store
        self._models = models
        self.inputs = tuple(BatchInputs(self, clip, each) for clip, each in zip(clips, images, strict=True))
        self.embedded: dict[str, Embedded] = {}
        self._complete = False

    def embed(self) -> dict[str, Embedded]:
        """The features of every clip by its id. The image-text model has to be set up."""
        if not self._complete:
            model = self._models.image_text()
            for inputs in self.inputs:
                found = find_features(self._store, model, inputs.clip)
                if found:
                    self.embedded[inputs.clip.clip_id] = found
            self._compute([inputs for inputs in self.inputs if inputs.clip.clip_id not in self.embedded])
            self._complete = True
        return self.embedded

    def _compute(self, missing: Sequence[BatchInputs]) -> None:
        model = self._models.image_text()
        texts = [inputs.clip.text.strip() for inputs in missing]
        images = [image for inputs in missing for image in inputs.images]
        frame_vectors = iter(model.embed_images(images))
        text_vectors = iter(model.embed_texts([text for text in texts if text]))
        for inputs, text in zip(missing, texts, strict=True):
            frames = [next(frame_vectors) for _ in inputs.images]
            self._save(inputs.clip, frames, next(text_vectors) if text else None)
            found = find_features(self._store, model, inputs.clip)
            if found is None:
                raise TransientError("features_gone", f"the features of {inputs.clip.clip_id} went away once written")
            self.embedded[inputs.clip.clip_id] = found

    def _save(self, clip: Clip, frames: Sequence[Vectors], text: Vectors | None) -> None:
        import numpy as np

        model = self._models.image_text()
        artifact = self._store.artifact(clip.video_id, "features", features_key(clip, model.model_id))
        rows = np.asarray(frames, dtype=np.float16).reshape(len(frames), model.dim)
        try:
            if artifact.exists():  # but damaged, or it would have been used
                write_features(self._store.path(f"{artifact.relative}/{FEATURES_FILE}"), rows, text)
            else:
                write_features(artifact.begin() / FEATURES_FILE, rows, text)
                artifact.commit()
        except OSError as error:  # a full disk, or another process that makes the same features
            raise TransientError("features_unwritten", f"cannot store {artifact.relative}: {error}") from error


def find_features(store: MediaStore, model: ImageTextModel, clip: Clip) -> Embedded | None:
    """The clip's features by `model`, if they are stored: where the clip says, else where they would be made."""
    made = f"{store.artifact(clip.video_id, 'features', features_key(clip, model.model_id)).relative}/{FEATURES_FILE}"
    known = clip.features.path if clip.features and clip.features.model == model.model_id else made
    for path in dict.fromkeys((known, made)):
        found = read_features(store.path(path), model.dim)
        if found is not None and (found[1] is None) == (not clip.text.strip()):
            return Embedded(*found, Features(model.model_id, path, model.dim, len(found[0])))
    return None


def features_key(clip: Clip, model_id: str) -> str:
    """The key of the features' artifact: the frames, the text and the model decide what is in it."""
    return hashlib.sha256("\0".join((clip.clip_id, clip.frames_path, clip.text, model_id)).encode()).hexdigest()[:16]


def write_features(path: Path, frames: npt.NDArray[Any], text: npt.NDArray[Any] | None) -> None:
    """Write both as float16, under a temporary name that is renamed: what exists is whole."""
    import numpy as np

    partial = path.with_name(f"{path.name}.part")
    with partial.open("wb") as stream:
        if text is None:
            np.savez(stream, frames=frames.astype(np.float16))
        else:
            np.savez(stream, frames=frames.astype(np.float16), text=text.astype(np.float16))
    partial.replace(path)


def read_features(path: Path, dim: int) -> tuple[Vectors, Vectors | None] | None:
    """`frames` and `text` as float32, or None if the file is not there, or is not what `write_features` wrote."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            frames = np.asarray(arrays["frames"], dtype=np.float32)
            text = np.asarray(arrays["text"], dtype=np.float32) if "text" in arrays else None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if frames.ndim != 2 or frames.shape[1] != dim or (text is not None and text.shape != (dim,)):
        return None
    return frames, text


def read_images(store: MediaStore, clip: Clip, read_frames: FrameReader) -> Sequence[Images]:
    """The clip's sampled frames. TerminalError `media_gone` if they were removed, `frames_damaged` as it comes."""
    path = store.path(clip.frames_path)
    if not path.is_file():
        raise TerminalError(
            "media_gone", f"the frames of {clip.clip_id} are gone from the media store; submit the video again"
        )
    return read_frames(path)[1]
