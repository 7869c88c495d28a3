"""Opening foreign media: local files of known kinds only, whatever the file itself asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from vta_stream.ports import TerminalError, TransientError

FORMATS = (
    "mov", "mp4", "matroska", "webm", "avi", "flv", "mpegts", "mpeg", "ogg", "asf", "wav", "mp3", "flac", "aac",
)  # fmt: skip
"""Demuxers that may run. Playlists (hls, dash, concat) are not among them: they make ffmpeg open what they name."""

SIZE_MAX_PX = 16_384
"""No side of a picture is longer; a header that says so is a lie or an attack on the memory."""
PIXELS_MAX = 8192 * 8192

_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS), "max_streams": "64"}
_SIGNATURE_BYTES = 12
_EBML = b"\x1a\x45\xdf\xa3"
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp"})
_MAGIC = (_EBML, b"RIFF", b"FLV\x01", b"OggS", b"\x00\x00\x01\xba", b"\x30\x26\xb2\x75", b"fLaC", b"ID3")


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """The file at `path`, opened for demuxing; closed at the end.

    Only this one local file is ever opened, and only by the demuxers of `FORMATS`. TerminalError
    `empty_file`, `damaged` (it begins like a known container) or `not_media`; TransientError `media_gone`
    if the file is not there.
    """
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError as error:
        raise TransientError("media_gone", f"{path.name} is not there any more") from error
    if size_bytes == 0:
        raise TerminalError("empty_file", f"{path.name} is empty")
    try:
        # `file:` keeps a name such as `http:x.mp4` a name. Broken tags must not make a good video unreadable.
        container = av.open(f"file:{path}", "r", options=dict(_OPTIONS), metadata_errors="replace")
    except FFmpegError as error:
        raise _not_opened(path, error) from error
    with container:
        yield container


def _not_opened(path: Path, error: FFmpegError) -> TerminalError:
    with path.open("rb") as file:
        start = file.read(_SIGNATURE_BYTES)
    if start[4:8] in _BOXES or start.startswith(_MAGIC):
        return TerminalError("damaged", f"{path.name} begins like a video, but cannot be read: {error.strerror}")
    return TerminalError("not_media", f"{path.name} is no video or audio file of a kind that is taken")


def pick_video(container: InputContainer) -> VideoStream:
    """The stream with the moving pictures, the best if there are several; a cover picture does not count.

    TerminalError `no_video_stream` if there is none, `unknown_codec` if no decoder knows it.
    """
    moving = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not moving:
        raise TerminalError("no_video_stream", "the file has no video stream")
    best = container.streams.best("video")
    chosen = next((stream for stream in moving if best is not None and stream.index == best.index), moving[0])
    if chosen.codec_context is None:
        raise TerminalError("unknown_codec", "no decoder knows the video stream's codec")
    return chosen


def pick_audio(container: InputContainer, video: VideoStream) -> AudioStream | None:
    """The audio that belongs to `video`, or None: silent videos are no error, and neither are unknown codecs."""
    decodable = [stream for stream in container.streams.audio if stream.codec_context is not None]
    best = container.streams.best("audio", related=video)
    if best is None or not decodable:
        return None
    return next((stream for stream in decodable if stream.index == best.index), decodable[0])


def limit_picture(video: VideoStream) -> None:
    """Refuse absurd sizes in the header, and make the decoder refuse them in the stream.

    TerminalError `picture_too_large`.
    """
    context = video.codec_context
    if max(context.width, context.height) > SIZE_MAX_PX or context.width * context.height > PIXELS_MAX:
        raise TerminalError(
            "picture_too_large",
            f"the header says {context.width}x{context.height} pixels; at most {SIZE_MAX_PX} a side are decoded",
        )
    context.options = {"max_pixels": str(PIXELS_MAX)}
