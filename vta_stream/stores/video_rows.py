"""When is a video done? A pure function of what the lake holds, so it does not matter what came first."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from vta_stream.domain.clip import SegmentedVideo
from vta_stream.domain.transcript import Transcript
from vta_stream.ports import MediaStore, TerminalError
from vta_stream.stores.catalog import quoted_list
from vta_stream.stores.rows import Row, moment, transcript_row, video_facts
from vta_stream.stores.samples import read_media

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

log = logging.getLogger(__name__)

_ENDED_CLIPS = """
SELECT video_id, count(DISTINCT clip_id) FROM (
    SELECT video_id, clip_id FROM clips SEMI JOIN counted_videos USING (video_id)
    UNION ALL
    SELECT video_id, clip_id FROM dead_letters SEMI JOIN counted_videos USING (video_id) WHERE clip_id IS NOT NULL
) JOIN counted_videos USING (video_id)
WHERE ends_with(clip_id, '_' || pipeline_version) GROUP BY video_id
"""
_FAILURES = """
SELECT video_id, arg_max({stage: stage, reason: reason, message: message}, (failed_at, stage, reason)) AS failure
FROM dead_letters SEMI JOIN touched_videos USING (video_id) WHERE clip_id IS NULL GROUP BY video_id
"""


@dataclass(frozen=True, slots=True)
class VideoChanges:
    """What a commit did to the rows of videos. `ended` has the status of those that ended just now."""

    status: Mapping[str, str]
    ended: Mapping[str, str]
    written: int
    transcripts: int
    repeats: int


def update_videos(
    lake: Lake, touched: Collection[str], segmented: Collection[SegmentedVideo], media: MediaStore, now_s: float
) -> VideoChanges:
    """Bring the rows of the touched videos up to date, within the caller's transaction and after its inserts.

    A video is done when all its clips have ended, in the lake or as dead letters; failed when it is a dead
    letter itself and not done (a later success makes it done, nothing makes a done video failed); until
    then, once it is segmented, it is processing. Before that it has no row.
    """
    if not touched:
        return VideoChanges({}, {}, 0, 0, 0)
    before: dict[str, Row] = {}
    with lake.lookup("touched_videos", [{"video_id": video_id} for video_id in touched]):
        for row in lake.records("SELECT * FROM videos SEMI JOIN touched_videos USING (video_id)"):
            before[row["video_id"]] = row
        failures: dict[str, dict[str, Any]] = dict(lake.rows(_FAILURES))
    after = {video_id: dict(row) for video_id, row in before.items()}
    transcripts: dict[str, Row] = {}
    repeats = 0
    for video in segmented:
        known = after.get(video.video_id)
        if known and known.get("pipeline_version") == video.pipeline_version:
            repeats += 1
            continue
        after[video.video_id] = {"status": None, **video_facts(video)}
        transcripts[video.video_id] = transcript_row(video, _read_transcript(video, media))
    for video_id in failures:
        after.setdefault(video_id, {"video_id": video_id, "status": None})
    ended_clips = _ended_clips(lake, after)
    for video_id, row in after.items():
        _judge(row, ended_clips.get(video_id, 0), failures.get(video_id))
    changed = [row for video_id, row in after.items() if row != before.get(video_id)]
    _write(lake, [row["video_id"] for row in changed if row["video_id"] in before], changed, now_s)
    new_transcripts = _new_transcripts(lake, transcripts)
    lake.insert("transcripts", new_transcripts)
    status = {video_id: str(row["status"]) for video_id, row in after.items()}
    ended = {
        video_id: now
        for video_id, now in status.items()
        if now != "processing" and now != before.get(video_id, {}).get("status")
    }
    return VideoChanges(status, ended, len(changed), len(new_transcripts), repeats)


def _ended_clips(lake: Lake, rows: Mapping[str, Row]) -> dict[str, int]:
    counted = [
        {"video_id": video_id, "pipeline_version": row["pipeline_version"]}
        for video_id, row in rows.items()
        if row.get("pipeline_version") and row["status"] != "done"
    ]
    if not counted:
        return {}
    with lake.lookup("counted_videos", counted):
        return dict(lake.rows(_ENDED_CLIPS))


def _judge(row: Row, ended_clips: int, failure: Mapping[str, Any] | None) -> None:
    segmented = row.get("pipeline_version") is not None
    if row["status"] == "done":
        return
    if segmented and ended_clips >= row["clip_count"]:
        if row["status"] == "failed":  # then the reason is the failure's; a video with clips has none of its own
            row["reason"] = None
        row.update(status="done", failed_stage=None, message=None)
    elif failure:
        row.update(status="failed", failed_stage=failure["stage"], reason=failure["reason"], message=failure["message"])
    else:
        row["status"] = "processing"


def _write(lake: Lake, replaced: Collection[str], rows: Collection[Row], now_s: float) -> None:
    if replaced:
        lake.execute(f"DELETE FROM videos WHERE video_id IN ({quoted_list(replaced)})")
    lake.insert("videos", [{**row, "updated_at": moment(now_s)} for row in rows])


def _new_transcripts(lake: Lake, rows: Mapping[str, Row]) -> list[Row]:
    if not rows:
        return []
    with lake.lookup("new_videos", [{"video_id": video_id} for video_id in rows]):
        known = set(
            lake.rows("SELECT video_id, pipeline_version FROM transcripts SEMI JOIN new_videos USING (video_id)")
        )
    return [row for row in rows.values() if (row["video_id"], row["pipeline_version"]) not in known]


def _read_transcript(video: SegmentedVideo, media: MediaStore) -> Transcript | None:
    """The words; None if their file is gone (the video ended before, its media were removed) or broken."""
    path = video.transcribed.transcript.path
    try:
        return msgspec.json.decode(read_media(path, media), type=Transcript)
    except (TerminalError, msgspec.DecodeError) as error:
        log.warning("the transcript of %s goes without its cues: %s", video.video_id, error)
        return None
