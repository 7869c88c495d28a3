"""Subtitle streams inside the video, and SubStation Alpha files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.media.subtitles.base import CUES_MAX, SIZE_MAX_BYTES, Piece, RawCue, SubtitleError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.subtitles.stream import SubtitleStream

_ASS_BREAK = re.compile(r"\\[Nn]")
_ASS_FIELDS_BEFORE_TEXT = 8
"""FFmpeg's event: ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect, Text."""


def read_stream(media: Path, stream_index: int) -> list[RawCue]:
    """The cues of one text subtitle stream (mov_text, subrip, webvtt, ass). Blocking; reads the whole file.

    Times count from the first frame of the first video stream, as all times of the project do: a Matroska
    file may start its video at 23 ms, and its subtitles are on the same clock. A cue without a duration
    lasts until the next one. Foreign media may crash FFmpeg: run this in a child process.
    Raises SubtitleError if there is no such stream, it holds pictures or is damaged, and what `open_media` and
    `pick_video` raise.
    """
    from av.error import FFmpegError

    from vta_stream.media.opening import open_media

    with open_media(media) as container:
        try:
            return _read(container, stream_index)
        except FFmpegError as error:
            raise SubtitleError(f"subtitle stream {stream_index} cannot be read: {error.strerror}") from error


def _read(container: InputContainer, stream_index: int) -> list[RawCue]:
    stream = next((stream for stream in container.streams.subtitles if stream.index == stream_index), None)
    if stream is None or stream.codec_context is None:
        raise SubtitleError(f"stream {stream_index} of the video is no subtitle stream that can be decoded")
    origin_s = _origin_s(container)
    found: list[tuple[float, float | None, str]] = []
    size_bytes = 0
    for packet in container.demux(stream):
        if packet.pts is None or packet.time_base is None:
            continue
        size_bytes += packet.size
        if size_bytes > SIZE_MAX_BYTES or len(found) >= CUES_MAX:
            raise SubtitleError(f"subtitle stream {stream_index} is larger than any subtitles are")
        start_s = float(packet.pts * packet.time_base) - origin_s
        end_s = start_s + float(packet.duration * packet.time_base) if packet.duration else None
        found.extend((start_s, end_s, text) for text in _texts(packet))
    followers = [start_s for start_s, _, _ in found[1:]] + [float("inf")]
    return [
        RawCue(start_s, next_s if end_s is None else end_s, ass_lines(text))
        for (start_s, end_s, text), next_s in zip(found, followers, strict=True)
    ]


def _origin_s(container: InputContainer) -> float:
    """When the first picture is shown, on the container's clock."""
    from vta_stream.media.opening import pick_video

    video = pick_video(container)
    return float(video.start_time * video.time_base) if video.start_time and video.time_base else 0.0


def _texts(packet: Packet[SubtitleStream]) -> list[str]:
    texts = []
    for subtitle in packet.decode():
        ass = getattr(subtitle, "ass", None)
        if ass is None:
            raise SubtitleError("the subtitle stream holds pictures, not text")
        fields = ass.decode("utf-8", "replace").split(",", _ASS_FIELDS_BEFORE_TEXT)
        if len(fields) > _ASS_FIELDS_BEFORE_TEXT:
            texts.append(fields[-1])
    return texts


def parse_ass(text: str) -> list[RawCue]:
    """The cues of a SubStation Alpha file, by pysubs2; comments and drawings are left out."""
    import pysubs2

    try:
        file = pysubs2.SSAFile.from_string(text, format_="ass")
    except (pysubs2.exceptions.Pysubs2Error, ValueError, KeyError, IndexError) as error:
        raise SubtitleError(f"the ass subtitles cannot be read: {error}") from error
    return [
        RawCue(event.start / 1000, event.end / 1000, ass_lines(event.text))
        for event in file
        if event.is_text and not event.is_drawing
    ]


def ass_lines(text: str) -> tuple[tuple[Piece, ...], ...]:
    """Lines of an ASS text: `\\N` and `\\n` break it, `\\h` is a space. Override tags stay for the cleaning."""
    return tuple((Piece(line),) for line in _ASS_BREAK.split(text.replace("\\h", " ")))
