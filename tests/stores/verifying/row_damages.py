"""Damages to the rows of a dataset, each with the findings that it has to lead to, and no others."""

from __future__ import annotations

from tests.stores.verifying.damages import A0, A1, A3, OPEN, STRANGER, TRAIN, Damage, sql


def twice(table: str, where: str) -> str:
    return f"INSERT INTO {table} SELECT * FROM {table} WHERE {where}"


ROWS = (
    Damage("clip twice", sql(twice("clips", f"clip_id = '{A0}'")), [("row_twice", f"clips {A0}")]),
    Damage("video twice", sql(twice("videos", "video_id = 'vid-d'")), [("row_twice", "videos vid-d")]),
    Damage(
        "caption twice",
        sql(twice("captions", f"clip_id = '{A3}' OR (clip_id = '{A0}' AND caption_index = 1)")),
        [("row_twice", f"captions {A0} 1")],
    ),
    Damage(
        "embedding twice", sql(twice("embeddings", f"clip_id = '{A0}'")), [("row_twice", f"embeddings {A0}")]
    ),
    Damage(
        "sample twice",
        sql(twice("samples", f"clip_id = '{A0}' AND layout = 'embeddings'")),
        [("row_twice", f"samples {A0} embeddings")],
    ),
    Damage(
        "shard twice", sql(twice("shards", f"shard_path = '{TRAIN}'")), [("row_twice", f"shards {TRAIN}")]
    ),
    Damage(
        "transcript twice",
        sql(twice("transcripts", "video_id = 'vid-b'")),
        [("row_twice", "transcripts vid-b 0a1b2c3d")],
    ),
    Damage(
        "dead letter twice",
        sql(twice("dead_letters", "video_id = 'vid-c'")),
        [("row_twice", "dead_letters cluster-1 download videos 0 2")],
    ),
    Damage(
        "offset twice",
        sql(twice("offsets", "topic = 'videos.done'")),
        [("row_twice", "offsets cluster-1 id-of-videos.done 0")],
    ),
    Damage(
        "version twice",
        sql("INSERT INTO pipeline_versions VALUES ('v', '{}', now()), ('v', '{}', now())"),
        [("row_twice", "pipeline_versions v")],
    ),
    Damage(
        "caption of no clip",
        sql(f"INSERT INTO captions VALUES ('{STRANGER}', 0, 'coca', 'a text', NULL, NULL)"),
        [("row_without_clip", f"captions {STRANGER}")],
    ),
    Damage(
        "embedding of no clip",
        sql(f"UPDATE embeddings SET clip_id = '{STRANGER}' WHERE clip_id = '{A0}'"),
        [
            ("row_without_clip", f"embeddings {STRANGER}"),
            ("embedding_missing", f"samples {A0}"),
        ],
    ),
    Damage(
        "embedding gone",
        sql(f"DELETE FROM embeddings WHERE clip_id = '{A0}'"),
        [("embedding_missing", f"samples {A0}")],
    ),
    Damage(
        "embedding of another length",
        sql(f"UPDATE embeddings SET text_embedding = [1.0] WHERE clip_id = '{A0}'"),
        [("embedding_missing", f"embeddings {A0}")],
    ),
    Damage(
        "rejected clip in a shard",
        sql(
            f"UPDATE clips SET accepted = false, verdicts = [{{'filter': 'f', 'keep': false, 'reason': 'r', "
            f"'value': 0.0, 'limit_value': 1.0}}] WHERE clip_id = '{A0}'"
        ),
        [("rejected_in_shard", f"clips {A0}")],
    ),
    Damage(
        "rejected for nothing",
        sql(f"UPDATE clips SET verdicts = [] WHERE clip_id = '{A3}'"),
        [("verdict_disagrees", f"clips {A3}")],
    ),
    Damage(
        "clip of a done video gone",
        sql(f"DELETE FROM clips WHERE clip_id = '{A3}'"),
        [("clips_missing", "videos vid-a")],
    ),
    Damage(
        "more clips than were cut",
        sql("UPDATE videos SET clip_count = 3 WHERE video_id = 'vid-b'"),
        [("clips_too_many", "videos vid-b")],
    ),
    Damage(
        "done and still called under way",
        sql("UPDATE videos SET status = 'processing' WHERE video_id = 'vid-a'"),
        [("video_misjudged", "videos vid-a")],
    ),
    Damage(
        "failed and without its row",
        sql("DELETE FROM videos WHERE video_id = 'vid-c'"),
        [("video_misjudged", "videos vid-c")],
    ),
    Damage(
        "a row that says nothing",
        sql("INSERT INTO videos (video_id, status) VALUES ('vid-y', 'processing')"),
        [("video_misjudged", "videos vid-y")],
    ),
    Damage(
        "failed for no reason",
        sql("DELETE FROM dead_letters WHERE video_id = 'vid-c'"),
        [("video_without_reason", "videos vid-c")],
    ),
    Damage(
        "transcript gone",
        sql("DELETE FROM transcripts WHERE video_id = 'vid-b'"),
        [("transcript_missing", "videos vid-b")],
    ),
    Damage(
        "split of another clip",
        sql(f"UPDATE clips SET split = 'val' WHERE clip_id = '{A0}'"),
        [("split_disagrees", f"samples {A0}"), ("split_disagrees", f"samples {A0}")],
    ),
    Damage(
        "offset below zero",
        sql("UPDATE offsets SET next_offset = -1 WHERE topic = 'videos.done'"),
        [("offset_invalid", "offsets cluster-1 id-of-videos.done videos.done 0")],
    ),
    Damage(
        "shard's row gone",
        sql(f"DELETE FROM shards WHERE shard_path = '{OPEN}'"),
        [("shard_row_missing", OPEN)],
    ),
    Damage(
        "shard counts wrong",
        sql(f"UPDATE shards SET sample_count = 7 WHERE shard_path = '{OPEN}'"),
        [("shard_count", OPEN)],
    ),
    Damage(
        "shard's bytes too few",
        sql(f"UPDATE shards SET data_bytes = data_bytes - 512 WHERE shard_path = '{TRAIN}'"),
        [("shard_count", TRAIN)],
    ),
    Damage(
        "shard's bytes too many",
        sql(f"UPDATE shards SET data_bytes = data_bytes + 512000 WHERE shard_path = '{TRAIN}'"),
        [("shard_count", TRAIN)],
    ),
    Damage(
        "sample's row gone",
        sql(f"DELETE FROM samples WHERE clip_id = '{A1}' AND layout = 'video-text'"),
        [
            ("sample_missing", f"clips {A1}"), ("unnamed_bytes", TRAIN), ("shard_count", TRAIN)
        ],
    ),
)  # fmt: skip
"""Rows that were changed behind the store's back."""
