"""The dead letters that are in the dataset: all that ever were, also those which the topic has forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.video import VideoRequest
from vta_stream.settings import Settings
from vta_stream.stores.reader import open_reader

_REQUEST = "SELECT url, source, labels, language FROM videos WHERE video_id = ? AND url IS NOT NULL"
_ROWS_A_FETCH = 500
_QUERY = (
    "SELECT cluster_id, stage, input_topic, input_partition, input_offset, input_key, input_value, "
    "input_value_base64, video_id, clip_id, kind, reason, message, traceback, attempt, "
    "coalesce(epoch(failed_at), 0) FROM dead_letters ORDER BY failed_at, cluster_id, input_topic, input_offset"
)


def stored_letters(settings: Settings) -> Iterator[tuple[str, DeadLetter]]:
    """(cluster id, dead letter), the oldest first. Raises DatasetError if there is no dataset to be read."""
    with open_reader(settings) as connection:
        rows = connection.execute(_QUERY)
        while chunk := rows.fetchmany(_ROWS_A_FETCH):
            for cluster_id, *fields in chunk:
                yield cluster_id, DeadLetter(*fields)


def stored_request(settings: Settings, video_id: str) -> VideoRequest | None:
    """What was asked for when this video was segmented; None if it never was. DatasetError without a dataset.

    Its language is the transcript's, as it was asked for or detected.
    """
    with open_reader(settings) as connection:
        table = connection.execute(_REQUEST, [video_id]).to_arrow_table()
    for row in table.to_pylist():
        labels = dict(row["labels"] or {})
        return VideoRequest(video_id, row["url"], row["source"], language=row["language"], labels=labels)
    return None
