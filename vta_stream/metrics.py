"""Every Prometheus metric of the daemon: one table, one registry. The README's table is tested against it.

Base units (seconds, bytes), `_total` on counters, and no label that grows with the data: no video IDs.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)  # process_resident_memory_bytes, process_cpu_seconds_total…

DURATION_BUCKETS_S = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200,
)  # fmt: skip
"""From a cheap score (50 ms) to the recognition of a long video (2 h)."""

SCORE_BUCKETS = (-0.5, -0.25, 0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 3, 5,
                 10, 20, 50, 100, 200, 500, 1000)  # fmt: skip
"""Fine where cosine similarities and shares live, coarse above for sharpness and luminance."""


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = DURATION_BUCKETS_S) -> Histogram:
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


# The shell: messages by stage.
MESSAGES = _counter(
    "vta_messages_total",
    "Messages finished, by stage and outcome (ok, retry, defer, dead_letter).",
    "stage",
    "outcome",
)
DURATION = _histogram("vta_stage_duration_seconds", "Time a stage worked on a batch.", "stage")
IN_PROGRESS = _gauge("vta_in_progress_messages", "Messages in work now.", "stage")
OLDEST_IN_PROGRESS = _gauge(
    "vta_oldest_in_progress_seconds", "Age of the message that is in work for longest.", "stage"
)
QUEUE_DEPTH = _gauge("vta_queue_depth_messages", "Messages taken from Kafka that wait for a slot.", "stage")
RETRIES = _counter("vta_retries_total", "Messages sent to the retries topic, by reason.", "stage", "reason")
DEAD_LETTERS = _counter("vta_dead_letters_total", "Messages sent to the dead letters, by reason.", "stage", "reason")
LAG_MESSAGES = _gauge("vta_lag_messages", "Messages behind the end of the log.", "stage", "topic")
LAG_SECONDS = _gauge("vta_lag_seconds", "Age of the oldest message that is not acknowledged.", "stage", "topic")
REBALANCES = _counter("vta_rebalances_total", "Times the partitions of a stage were dealt anew.", "stage")
LOOP_LAG = _histogram(
    "vta_event_loop_lag_seconds",
    "How late the event loop runs a timer.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CHILD_EXITS = _counter("vta_child_exits_total", "Child processes that ended, by kind of work and how.", "work", "how")

# The curation.
VIDEOS = _counter("vta_videos_total", "Videos that ended, by status (done, failed).", "status")
CLIPS = _counter("vta_clips_total", "Clips stored, by verdict (accepted, rejected).", "verdict")
FILTERED = _counter("vta_filter_verdicts_total", "Verdicts given, by filter (keep, reject).", "filter", "verdict")
SCORES = _histogram("vta_score", "Scores measured, by name.", "score", buckets=SCORE_BUCKETS)
SCORE_FAILURES = _counter("vta_score_failures_total", "Measurements that failed, by score.", "score")
MEDIA_SECONDS = _counter(
    "vta_media_seconds_total",
    "Seconds of video that went through, by step (downloaded, decoded, cut, stored).",
    "step",
)

# Download and disk.
DOWNLOAD_BYTES = _counter("vta_download_bytes_total", "Bytes of media fetched, by source.", "source")
MEDIA_STORE_BYTES = _gauge("vta_media_store_bytes", "Bytes of media in progress.")
MEDIA_STORE_PAUSED = _gauge("vta_media_store_paused", "1 while the download agent waits for room, else 0.")
DISK_FREE = _gauge("vta_disk_free_bytes", "Free bytes of the disk under the data folder.")

# The dataset.
STORE_COMMITS = _counter("vta_store_commits_total", "Commits of the dataset, by outcome (ok, failed).", "outcome")
STORE_COMMIT_DURATION = _histogram("vta_store_commit_duration_seconds", "Time of one commit of the dataset.")
STORE_ROWS = _counter("vta_store_rows_total", "Rows added, by table.", "table")
STORE_REPEATS = _counter("vta_store_repeats_total", "Records the dataset held already, by guard (offset, id).", "guard")
SHARD_BYTES = _counter("vta_shard_bytes_total", "Bytes appended to shards, by layout.", "layout")
SHARDS_SEALED = _counter("vta_shards_sealed_total", "Shards sealed, by layout.", "layout")
VISIBLE_DELAY = _histogram(
    "vta_accepted_to_visible_seconds",
    "From the acceptance of a clip to its visible row.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300),
)

# The build.
BUILD_INFO = _gauge(
    "vta_build_info", "Always 1; the labels tell the versions.", "version", "pipeline_version", "python"
)
