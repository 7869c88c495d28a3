"""YouTube's json3: events with segments, and for automatic captions a time for every word."""

from __future__ import annotations

import json
from typing import Any

from vta_stream.media.subtitles.base import Line, Piece, RawCue, SubtitleError


def parse_json3(text: str) -> list[RawCue]:
    """The cues of a json3 file. Events without text (windows, line feeds of the rolling display) are left out.

    Fields: `tStartMs`, `dDurationMs`, `segs[].utf8`, `segs[].tOffsetMs` (from the event's start). An event of
    automatic captions lasts until its line scrolls away, while the next is spoken already.
    Raises SubtitleError if it is no such file.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SubtitleError(f"the json3 subtitles are not valid JSON: {error}") from error
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise SubtitleError("the json3 subtitles have no list of events")
    timed = any("tOffsetMs" in segment for event in events for segment in _segments(event))
    return [cue for event in events if (cue := _cue(event, timed)) is not None]


def _cue(event: Any, timed: bool) -> RawCue | None:
    segments = [segment for segment in _segments(event) if isinstance(segment.get("utf8"), str)]
    start_ms, length_ms = (event.get("tStartMs", 0), event.get("dDurationMs", 0)) if segments else (None, None)
    if not isinstance(start_ms, int) or not isinstance(length_ms, int):
        return None
    if not "".join(segment["utf8"] for segment in segments).strip():
        return None
    end_s = (start_ms + length_ms) / 1000
    if not timed:
        text = "".join(segment["utf8"] for segment in segments)
        return RawCue(start_ms / 1000, end_s, tuple((Piece(line),) for line in text.splitlines()))
    line: Line = tuple(Piece(segment["utf8"], _start_s(start_ms, segment)) for segment in segments)
    return RawCue(start_ms / 1000, end_s, (line,))


def _start_s(event_start_ms: int, segment: dict[str, Any]) -> float | None:
    offset_ms = segment.get("tOffsetMs", 0)
    return (event_start_ms + offset_ms) / 1000 if isinstance(offset_ms, int) else None


def _segments(event: Any) -> list[dict[str, Any]]:
    segments = event.get("segs") if isinstance(event, dict) else None
    return [segment for segment in segments if isinstance(segment, dict)] if isinstance(segments, list) else []
