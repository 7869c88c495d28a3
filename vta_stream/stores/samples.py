"""Making samples out of an accepted clip: what goes into a shard, for each layout."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vta_stream.domain.clip import Caption, Clip, Features
from vta_stream.domain.sample import Sample, Split
from vta_stream.ports import MediaStore, TerminalError
from vta_stream.stores.lake import clean
from vta_stream.stores.shards import Layout

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The arrays behind `Features`: `frames` (frame_count, dim) float16, `text` (dim,) or None."""

    frames: Floats
    text: Floats | None

    def clip_mean(self) -> list[float]:
        """The mean of the frames' embeddings, L2-normalised; computed in float32."""
        import numpy as np

        mean = self.frames.astype(np.float32).mean(axis=0)
        length = float(np.linalg.norm(mean))
        return [float(value) for value in (mean / length if length else mean)]

    def text_vector(self) -> list[float] | None:
        """The text's embedding."""
        return None if self.text is None else [float(value) for value in self.text]


def load_embeddings(features: Features, media: MediaStore) -> Embeddings:
    """Read the arrays; TerminalError `media_gone` or `broken_features` if they are not what is promised."""
    import numpy as np

    content = read_media(features.path, media)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            frames = arrays["frames"].astype(np.float16)
            text = arrays["text"].astype(np.float32) if "text" in arrays.files else None
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise TerminalError("broken_features", f"{features.path} is no file of embeddings: {error}") from error
    if frames.shape != (features.frame_count, features.dim) or (text is not None and text.shape != (features.dim,)):
        raise TerminalError(
            "broken_features",
            f"{features.path} has frames {frames.shape}, not ({features.frame_count}, {features.dim})",
        )
    return Embeddings(frames, text)


def read_media(path: str, media: MediaStore) -> bytes:
    """The bytes of a stored file; TerminalError `media_gone` without it, `bad_path` if it leads elsewhere."""
    try:
        return media.path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TerminalError("media_gone", f"{path} is not in the media store (any more)") from error
    except ValueError as error:
        raise TerminalError("bad_path", str(error)) from error


def read_clip_media(clip: Clip, media: MediaStore) -> bytes:
    """The clip's mp4; TerminalError `media_changed` unless it is, to the byte, what the cut wrote."""
    content = read_media(clip.media.path, media)
    if len(content) != clip.media.size_bytes or hashlib.sha256(content).hexdigest() != clip.media.sha256:
        raise TerminalError("media_changed", f"{clip.media.path} is not the file that was cut: size or SHA-256 differ")
    return content


def best_caption(clip: Clip) -> Caption | None:
    """The caption that fits the frames best; unmeasured ones come last, the first of equals wins."""
    return max(clip.captions, key=lambda caption: -math.inf if caption.match is None else caption.match, default=None)


def make_samples(
    clip: Clip, split: Split, media: MediaStore, embeddings: Embeddings | None
) -> Iterator[tuple[Layout, Sample]]:
    """One sample a layout: `video-text` always, `embeddings` where the clip has features.

    `txt` is what is said; where nobody speaks, the best caption. `json` has the same keys with the same
    types in every sample, and no null, because trainers infer a schema from the first few: what has no
    fixed shape (scores, captions, words) is JSON text within it, what is unknown is "" or 0.
    """
    import numpy as np

    caption = best_caption(clip)
    text = clip.text or (caption.text if caption else "")
    members = {"txt": clean(text).encode(), "json": _facts(clip, split, caption)}
    yield "video-text", Sample(clip.clip_id, split, {"mp4": read_clip_media(clip, media), **members})
    if embeddings is not None:
        array = io.BytesIO()
        np.save(array, embeddings.frames, allow_pickle=False)
        yield "embeddings", Sample(clip.clip_id, split, {"npy": array.getvalue(), **members})


def _facts(clip: Clip, split: Split, caption: Caption | None) -> bytes:
    facts = {
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "pipeline_version": clip.pipeline_version,
        "clip_index": clip.index,
        "start_s": float(clip.span.start_s),
        "end_s": float(clip.span.end_s),
        "duration_s": float(clip.span.duration_s),
        "frame_count": clip.cut.frame_count,
        "text": clip.text,
        "language": clip.language or "",
        "transcript_source": clip.transcript_source,
        "caption": caption.text if caption else "",
        "captioner": caption.captioner if caption else "",
        "split": split,
        "split_group": clip.split_group,
        "sha256": clip.media.sha256,
        "embedding_model": clip.features.model if clip.features else "",
        "embedding_dim": clip.features.dim if clip.features else 0,
        "embedded_frame_count": clip.features.frame_count if clip.features else 0,
        "scores_json": _json({name: _finite(value) for name, value in sorted(clip.scores.values.items())}),
        "captions_json": _json(
            [{"captioner": c.captioner, "text": c.text, "model": c.model, "match": c.match} for c in clip.captions]
        ),
        "words_json": _json([[word.text, word.start_s, word.end_s] for word in clip.words]),
    }
    return _json(clean(facts)).encode()


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
