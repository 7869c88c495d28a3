"""What to type so that videos come again."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from vta_stream.domain.ids import YOUTUBE_ID
from vta_stream.domain.request import parse_request, request_value
from vta_stream.domain.video import VideoRequest
from vta_stream.stores.catalog import quoted_list
from vta_stream.stores.verifying.snapshot import Snapshot

LINES_MAX = 1000


def submit_lines(snapshot: Snapshot, video_ids: Collection[str]) -> list[str]:
    """One command a video, at most 1,000; a comment for one whose request the dataset does not know."""
    wanted = sorted(set(video_ids))[:LINES_MAX]
    if not wanted:
        return []
    known = {
        video_id: VideoRequest(video_id, url, source, labels=dict(zip(names or (), values or (), strict=True)))
        for video_id, url, source, names, values in snapshot.rows(
            "SELECT video_id, url, source, map_keys(labels), map_values(labels) FROM videos "
            f"WHERE url IS NOT NULL AND video_id IN ({quoted_list(wanted)})"
        )
    }
    return [_line(video_id, known.get(video_id)) for video_id in wanted]


def _line(video_id: str, request: VideoRequest | None) -> str:
    if request is None:
        if YOUTUBE_ID.fullmatch(video_id):
            return f"vta-stream submit {video_id}"
        return f"# {video_id}: the dataset does not know where it came from; submit its URL again"
    for value in (request.video_id, request.url):
        if _means(value, request):
            return f"vta-stream submit {shlex.quote(value)}"
    return f"echo {shlex.quote(request_value(request).decode())} | vta-stream submit -"


def _means(value: str, request: VideoRequest) -> bool:
    try:
        found = parse_request(value.encode())
    except ValueError:
        return False
    return found == request
