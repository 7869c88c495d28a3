"""Pictures of clips: three frames side by side in one small JPEG."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.domain.clip import Span

if TYPE_CHECKING:
    from av.container import InputContainer
    from duckdb import DuckDBPyConnection
    from PIL.Image import Image

FRAME_WIDTH_PX = 200
FRAMES_AT = (0.1, 0.5, 0.9)
"""The shares of the clip at which it is looked at."""

_GAP_PX = 2
_JPEG_QUALITY = 72


def sample_pictures(
    lake: DuckDBPyConnection, dataset_dir: Path, clip_ids: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """(clip ID, JPEG) of those clips that are samples, from their own media in the shards.

    Open shards are read too: what the catalog knows of lies on the disk. A clip without a sample gives nothing.
    """
    places = lake.execute(
        "SELECT clip_id, shard_path, state, offset_bytes FROM samples JOIN shards USING (shard_path) "
        "WHERE samples.layout = 'video-text' AND clip_id IN (SELECT unnest(?)) ORDER BY shard_path, offset_bytes",
        [list(clip_ids)],
    ).fetchall()
    for clip_id, shard_path, state, offset_bytes in places:
        shard = dataset_dir / (shard_path if state == "sealed" else f"{shard_path}.part")
        media = _member(shard, offset_bytes, f"{clip_id}.mp4")
        with _open(io.BytesIO(media)) as container:
            yield clip_id, _strip(container, None)


def video_pictures(path: Path, spans: Sequence[Span]) -> Iterator[bytes]:
    """One JPEG a span of a video file that is known to be decodable."""
    with _open(path) as container:
        for span in spans:
            yield _strip(container, span)


def _open(media: Path | io.BytesIO) -> InputContainer:
    import av

    return av.open(str(media) if isinstance(media, Path) else media, mode="r")


def _member(shard: Path, offset_bytes: int, name: str) -> bytes:
    with shard.open("rb") as file:
        file.seek(offset_bytes)
        with tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if member.name == name and content is not None:
                    return content.read()
    raise FileNotFoundError(f"{shard} has no {name} at byte {offset_bytes}, where the catalog says it is")


def _strip(container: InputContainer, span: Span | None) -> bytes:
    """The frames at `FRAMES_AT` of a span, or of the whole file, side by side."""
    from PIL import Image

    span = span or Span(0.0, max(0.001, (container.duration or 0) / 1_000_000))
    frames = [_frame(container, span.start_s + share * span.duration_s) for share in FRAMES_AT]
    height_px = max(frame.height for frame in frames)
    strip = Image.new("RGB", (len(frames) * (FRAME_WIDTH_PX + _GAP_PX) - _GAP_PX, height_px), "white")
    for index, frame in enumerate(frames):
        strip.paste(frame, (index * (FRAME_WIDTH_PX + _GAP_PX), 0))
    jpeg = io.BytesIO()
    strip.save(jpeg, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return jpeg.getvalue()


def _frame(container: InputContainer, time_s: float) -> Image:
    """The last frame that begins at or before a time since the first frame; the last one that there is."""
    video = container.streams.video[0]
    assert video.time_base is not None, "a stream of a container has its unit of time"
    at = (video.start_time or 0) + round(time_s / video.time_base)
    container.seek(at, stream=video, backward=True)
    found = None
    for frame in container.decode(video):
        if found is not None and frame.pts is not None and frame.pts > at:
            break
        found = frame
    if found is None:
        raise ValueError(f"no picture could be decoded at {time_s:.2f} s")
    height_px = max(1, round(FRAME_WIDTH_PX * found.height / found.width))
    picture: Image = found.to_image(width=FRAME_WIDTH_PX, height=height_px)  # type: ignore[no-untyped-call]
    return picture
