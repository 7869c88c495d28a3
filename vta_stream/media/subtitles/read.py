"""One door to all subtitles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vta_stream.domain.transcript import Cue
from vta_stream.domain.video import Subtitle
from vta_stream.media.subtitles.base import CUES_MAX, SIZE_MAX_BYTES, RawCue, SubtitleError
from vta_stream.media.subtitles.blocks import parse_blocks
from vta_stream.media.subtitles.cues import spoken_cues
from vta_stream.media.subtitles.json3 import parse_json3
from vta_stream.media.subtitles.streams import parse_ass, read_stream

_PARSERS: dict[str, Callable[[str], list[RawCue]]] = {
    "vtt": parse_blocks,
    "webvtt": parse_blocks,
    "srt": parse_blocks,
    "subrip": parse_blocks,
    "json3": parse_json3,
    "ass": parse_ass,
}


def read_subtitle(
    media_path: Path | None, subtitle: Subtitle, path: Path | None, duration_s: float | None = None
) -> tuple[Cue, ...]:
    """What is spoken according to `subtitle`: the stream of `media_path`, or the file at `path`.

    Cues are in order of their start, with start < end, clamped to `duration_s` where that is known; cues may
    overlap (two speakers). Text is clean: no tags, entities, speaker labels, sound annotations or song
    lines, and the rolling repeats of automatic captions are undone. `words` is filled where the file has
    word times (YouTube's automatic captions); the ends of such words are estimates.
    Blocking. Raises SubtitleError if nothing spoken is found, the file is damaged beyond reading, larger
    than 32 MiB, or not in UTF-8 or UTF-16.
    """
    if subtitle.stream_index is not None:
        if media_path is None:
            raise ValueError("a subtitle stream needs the path of its video")
        raw = read_stream(media_path, subtitle.stream_index)
    else:
        if path is None:
            raise ValueError("a subtitle file needs its path")
        if subtitle.format not in _PARSERS:
            raise SubtitleError(f"subtitles of format {subtitle.format!r} are not read; {', '.join(_PARSERS)} are")
        raw = _PARSERS[subtitle.format](_text(path))
    if len(raw) > CUES_MAX:
        raise SubtitleError(f"the subtitles have {len(raw)} cues, more than any video has")
    # json3 shows each word once; what overlaps in it is only the time on the screen.
    rolling = subtitle.kind == "automatic" and subtitle.format != "json3"
    cues = spoken_cues(raw, rolling=rolling, duration_s=duration_s)
    if not cues:
        raise SubtitleError("nothing spoken is in the subtitles")
    return cues


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise SubtitleError(f"the subtitle file cannot be read: {error.strerror}") from error
    if len(data) > SIZE_MAX_BYTES:
        raise SubtitleError(f"the subtitle file is larger than {SIZE_MAX_BYTES} bytes")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SubtitleError(f"the subtitle file is not in {encoding}: {error.reason}") from error
