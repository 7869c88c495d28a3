"""What a media file says of itself, checked against its first decoded picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av.container.input import InputContainer
from av.error import EOFError as MediaEOFError
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vta_stream.children import ChildPool
from vta_stream.domain.video import Subtitle, VideoFacts
from vta_stream.media.opening import limit_picture, open_media, pick_audio, pick_video
from vta_stream.ports import TerminalError

TEXT_SUBTITLES = {"mov_text": "mov_text", "ass": "ass", "ssa": "ass", "subrip": "subrip", "webvtt": "webvtt"}
"""Codecs of embedded subtitles that are text, by ffmpeg's name; pictures of text (DVD, Blu-ray) are left out."""

PACKETS_MAX = 2000
"""So many packets without a picture, and the probe believes the header; decoding all will tell."""
DURATION_MAX_S = 1_000_000.0
DEADLINE_S = 60.0
"""A probe reads a header and decodes one picture; what takes longer hangs."""
FPS_MAX = 1000.0


class Prober:
    """Probes in child processes, since foreign media may hang or crash a decoder."""

    def __init__(self, children: ChildPool) -> None:
        self._children = children

    async def probe(self, path: Path) -> tuple[VideoFacts, tuple[Subtitle, ...]]:
        """As the function `probe`; TransientError `child_timeout` after `DEADLINE_S`."""
        return await self._children.run(probe, path, deadline_s=DEADLINE_S)

    async def close(self) -> None:
        """End the children."""
        await self._children.close()


def probe(path: Path) -> tuple[VideoFacts, tuple[Subtitle, ...]]:
    """The facts of a local media file, and the subtitle streams inside it.

    Decodes up to the first picture: sizes and rotation are the decoder's where it yields one. Raises
    TerminalError `empty_file`, `not_media`, `damaged`, `no_video_stream`, `unknown_codec`,
    `picture_too_large` or `no_frames` (the whole file holds no picture), TransientError `media_gone`.
    Call it in a child process: a decoder that crashes takes its process along.
    """
    with open_media(path) as container:
        video = pick_video(container)
        limit_picture(video)
        audio = pick_audio(container, video)
        subtitles = _subtitles(container)
        frame = _first_frame(container, video)
        width, height, rotation_deg = _displayed(video, frame)
        facts = VideoFacts(
            container=container.format.name,
            duration_s=_duration_s(container),
            width=width,
            height=height,
            fps=_fps(video.average_rate or video.guessed_rate),
            rotation_deg=rotation_deg,
            video_codec=video.codec_context.codec.canonical_name,
            pixel_format=frame.format.name if frame else video.codec_context.pix_fmt or "unknown",
            audio_codec=audio.codec_context.codec.canonical_name if audio else None,
            audio_rate_hz=audio.codec_context.sample_rate if audio else None,
            audio_channels=audio.codec_context.channels if audio else None,
        )
    return facts, subtitles


def rotation_of(frame: VideoFrame) -> int:
    """Degrees clockwise (0, 90, 180, 270) by which the picture has to be turned to be shown upright."""
    return round(-frame.rotation / 90) * 90 % 360


def displayed_size(width: int, height: int, aspect: Fraction | None, rotation_deg: int) -> tuple[int, int]:
    """Size in square pixels, turned upright. `aspect` is one pixel's width to height; None: square.

    The longer side of a pixel is kept and the other grows, so no detail is lost. Aspects beyond 1:8 to 8:1
    are lies and are taken as square.
    """
    if aspect and Fraction(1, 8) <= aspect <= 8:
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
    return (height, width) if rotation_deg in (90, 270) else (width, height)


def _displayed(video: VideoStream, frame: VideoFrame | None) -> tuple[int, int, int]:
    context = video.codec_context
    width, height = (frame.width, frame.height) if frame else (context.width, context.height)
    if width < 1 or height < 1:
        raise TerminalError("damaged", f"the video stream says {width}x{height} pixels")
    rotation_deg = rotation_of(frame) if frame else 0
    return *displayed_size(width, height, video.sample_aspect_ratio, rotation_deg), rotation_deg


def _first_frame(container: InputContainer, video: VideoStream) -> VideoFrame | None:
    seen = 0
    try:
        for packet in container.demux(video):
            try:
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        return frame
            except MediaEOFError:
                break
            except FFmpegError:
                # Damaged packets are common and seldom all of them; `no_frames` below says if they were.
                seen += 1
                continue
            seen += 1
            if seen >= PACKETS_MAX:
                return None
    except FFmpegError as error:
        raise TerminalError("damaged", f"reading broke off before the first picture: {error.strerror}") from error
    raise TerminalError("no_frames", "the header promises a video, but no picture could be decoded")


def _subtitles(container: InputContainer) -> tuple[Subtitle, ...]:
    found = []
    for stream in container.streams.subtitles:
        name = stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""
        if name in TEXT_SUBTITLES:
            language = stream.language if stream.language != "und" else None
            found.append(Subtitle(language, "manual", TEXT_SUBTITLES[name], stream_index=stream.index))
    return tuple(found)


def _duration_s(container: InputContainer) -> float | None:
    if container.duration is None or not 0 < container.duration / 1e6 <= DURATION_MAX_S:
        return None
    return container.duration / 1e6


def _fps(rate: Fraction | None) -> float | None:
    return float(rate) if rate and 0 < rate <= FPS_MAX else None
