"""Writing one clip: H.264 and AAC in an mp4, always in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.filter import Graph
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from vta_stream.media.probe import displayed_size, rotation_of
from vta_stream.media.sound import RATE_HZ
from vta_stream.settings.work import SegmentSettings

GOP_S = 2
THREADS = 2
"""x264 makes other bytes with another number of threads, so it is a constant, not the machine's."""

_TURN = {90: ("transpose=clock",), 180: ("hflip", "vflip"), 270: ("transpose=cclock",)}
_SAMPLES_A_FRAME = 1024
_LIMITED_RANGE, _FULL_RANGE = 1, 2


def write_clip(
    target: Path,
    rate: Fraction,
    pictures: Iterator[VideoFrame],
    aspect: Fraction | None,
    sound: npt.NDArray[np.float32] | None,
    settings: SegmentSettings,
) -> None:
    """Write `pictures`, one every 1 / `rate` seconds, and `sound` (2, n at 48 kHz) to the mp4 file `target`.

    `aspect` is the source's pixel aspect. The first picture decides the size; a picture of another size
    is scaled to it. No pictures make no file. FFmpegError if encoding or writing fails.
    """
    first = next(pictures, None)
    if first is None:
        return
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(f"file:{target}", "w", format="mp4", options=options) as container:
        look = _Look(first, aspect)
        video = _video_stream(container, look, first, rate, settings)
        audio = _audio_stream(container, settings) if sound is not None else None
        sent = 0
        for number, picture in enumerate(_chain(first, pictures)):
            container.mux(video.encode(look.apply(picture, number, rate)))
            # Picture and sound advance together, or the muxer would hold back all of one of them.
            if audio is not None and sound is not None:
                sent = _send(container, audio, sound, sent, round((number + 1) / rate * RATE_HZ))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            _send(container, audio, sound, sent, sound.shape[1] + _SAMPLES_A_FRAME)
            container.mux(audio.encode(None))


def _chain(first: VideoFrame, others: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    yield first
    yield from others


class _Look:
    """Makes pictures upright, with square pixels and even sizes, 8 bit 4:2:0 in limited range."""

    def __init__(self, first: VideoFrame, aspect: Fraction | None) -> None:
        rotation_deg = rotation_of(first)
        width, height = displayed_size(first.width, first.height, aspect, rotation_deg)
        self.width, self.height = max(2, round(width / 2) * 2), max(2, round(height / 2) * 2)
        self._turn = _TURN.get(rotation_deg, ())
        self._plain_size = (self.height, self.width) if rotation_deg in (90, 270) else (self.width, self.height)
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str, int] | None = None
        self._last: tuple[VideoFrame, VideoFrame] | None = None

    def apply(self, picture: VideoFrame, number: int, rate: Fraction) -> VideoFrame:
        """The picture as it goes to the encoder, as frame `number`. A repeated picture is made only once."""
        if self._last is None or self._last[0] is not picture:
            self._last = picture, self._filtered(picture)
        made = self._last[1]
        made.pts, made.time_base = number, 1 / rate
        # The source's key frames are not ours: key frames come where the settings put them.
        made.pict_type = PictureType.NONE
        return made

    def _filtered(self, picture: VideoFrame) -> VideoFrame:
        kind = (picture.width, picture.height, picture.format.name, picture.color_range)
        if self._graph is None or self._kind != kind:
            self._graph, self._kind = self._new_graph(picture), kind
        self._graph.vpush(picture)
        return self._graph.vpull()

    def _scale(self, picture: VideoFrame) -> tuple[str, ...]:
        plain = picture.format.name == "yuv420p" and picture.color_range != _FULL_RANGE
        if plain and (picture.width, picture.height) == self._plain_size:
            return ()
        # Without `bitexact` swscale's result depends on where the memory happens to lie.
        return f"scale={self.width}:{self.height}:flags=bicubic+bitexact+accurate_rnd:out_range=tv", "format=yuv420p"

    def _new_graph(self, picture: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        last = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
        )
        for item in (*self._turn, *self._scale(picture), "setsar=1"):
            name, _, arguments = item.partition("=")
            node = graph.add(name, arguments or None)
            last.link_to(node)
            last = node
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph


def _video_stream(
    container: OutputContainer, look: _Look, first: VideoFrame, rate: Fraction, settings: SegmentSettings
) -> VideoStream:
    gop = max(1, round(rate * GOP_S))
    stream = container.add_stream("libx264", rate=rate, width=look.width, height=look.height)
    context = stream.codec_context
    context.pix_fmt = "yuv420p"
    context.time_base = 1 / rate
    context.thread_count = THREADS
    context.color_range = _LIMITED_RANGE
    context.colorspace, context.color_primaries, context.color_trc = (
        first.colorspace,
        first.color_primaries,
        first.color_trc,
    )
    context.options = {
        "preset": settings.preset,
        "crf": str(settings.crf),
        "flags": "+bitexact",
        # x264's macroblock tree reads memory that nobody wrote (its assembler, with B-frames, at widths such as
        # 200): the first clip of a process came out different from its repeats.
        "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:mbtree=0",
    }
    return stream


def _audio_stream(container: OutputContainer, settings: SegmentSettings) -> AudioStream:
    stream = container.add_stream("aac", rate=RATE_HZ, layout="stereo")
    stream.codec_context.bit_rate = settings.audio_bit_rate
    stream.codec_context.time_base = Fraction(1, RATE_HZ)
    stream.codec_context.options = {"flags": "+bitexact"}
    return stream


def _send(container: OutputContainer, audio: AudioStream, sound: npt.NDArray[np.float32], sent: int, until: int) -> int:
    """Encode the samples from `sent` to `until` in whole frames, the last one of all excepted; how far it came."""
    total = sound.shape[1]
    while sent < total and (sent + _SAMPLES_A_FRAME <= until):
        end = min(sent + _SAMPLES_A_FRAME, total)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, sent:end]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, sent, Fraction(1, RATE_HZ)
        container.mux(audio.encode(frame))
        sent = end
    return sent
