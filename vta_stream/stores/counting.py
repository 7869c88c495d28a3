"""The metrics of a commit, counted after it: what is not committed does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vta_stream import metrics

if TYPE_CHECKING:
    from vta_stream.stores.batch import Written


def count_commit(written: Written, now_s: float) -> None:
    """Count rows, repeats, clips, verdicts and videos of a committed batch."""
    for table, rows in written.rows.items():
        metrics.STORE_ROWS.labels(table).inc(rows)
    for guard, repeats in written.repeats.items():
        metrics.STORE_REPEATS.labels(guard).inc(repeats)
    for clip, accepted in written.clips:
        metrics.CLIPS.labels("accepted" if accepted else "rejected").inc()
        for verdict in clip.verdicts:
            metrics.FILTERED.labels(verdict.filter, "keep" if verdict.keep else "reject").inc()
        if accepted:
            metrics.MEDIA_SECONDS.labels("stored").inc(clip.span.duration_s)
            if clip.judged_at_s is not None:
                metrics.VISIBLE_DELAY.observe(max(0.0, now_s - clip.judged_at_s))
    for status in written.ended_videos.values():
        metrics.VIDEOS.labels(status).inc()
