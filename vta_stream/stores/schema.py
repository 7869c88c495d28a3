"""The tables and views of the dataset, each column with its unit and its edge, and their version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vta_stream import __version__
from vta_stream.ports import TerminalError
from vta_stream.stores.catalog import quoted

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

SCHEMA_VERSION = 1

_WORD = "STRUCT(text VARCHAR, start_s DOUBLE, end_s DOUBLE, probability DOUBLE)"
_CUE = (
    f"STRUCT(text VARCHAR, start_s DOUBLE, end_s DOUBLE, words {_WORD}[], "
    "average_logprob DOUBLE, no_speech_probability DOUBLE)"
)
_VERDICT = "STRUCT(filter VARCHAR, keep BOOLEAN, reason VARCHAR, value DOUBLE, limit_value DOUBLE)"
_CUT = (
    "STRUCT(asked_start_s DOUBLE, asked_end_s DOUBLE, got_start_s DOUBLE, got_end_s DOUBLE, "
    "frame_count BIGINT, first_pts_s DOUBLE, audio_offset_s DOUBLE)"
)

TABLES: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "videos": (
        "One row a video that was segmented or that failed.",
        (
            ("video_id", "VARCHAR", "the ID under which everything of the video is filed"),
            ("status", "VARCHAR", "processing (clips are under way), done (all clips have ended) or failed"),
            ("failed_stage", "VARCHAR", "the stage at which it failed; NULL unless failed"),
            ("reason", "VARCHAR", "why it failed, or why it gave no clips; else NULL"),
            ("message", "VARCHAR", "the failure in a sentence; NULL unless failed"),
            ("pipeline_version", "VARCHAR", "the version that segmented it; NULL if it failed before"),
            ("url", "VARCHAR", "where it came from; it and what follows is NULL if it failed before"),
            ("source", "VARCHAR", "youtube, url or file"),
            ("labels", "MAP(VARCHAR, VARCHAR)", "the labels of the request, untouched"),
            ("metadata_json", "VARCHAR", "what the site said, as JSON: title, channel, license…"),
            ("language", "VARCHAR", "BCP 47 language of the transcript; NULL if unknown"),
            ("container", "VARCHAR", "container format"),
            ("duration_s", "DOUBLE", "length that the container claims; NULL if it does not say"),
            ("decoded_s", "DOUBLE", "length that was decoded; believe this one"),
            ("width_px", "INTEGER", "width as displayed, after rotation"),
            ("height_px", "INTEGER", "height as displayed, after rotation"),
            ("fps", "DOUBLE", "average frame rate; NULL if unknown"),
            ("rotation_deg", "INTEGER", "rotation in the container: 0, 90, 180 or 270, clockwise"),
            ("video_codec", "VARCHAR", "video codec"),
            ("pixel_format", "VARCHAR", "pixel format"),
            ("audio_codec", "VARCHAR", "audio codec; NULL without audio"),
            ("size_bytes", "BIGINT", "size of the downloaded file"),
            ("sha256", "VARCHAR", "SHA-256 of the downloaded file, hex"),
            ("shot_count", "INTEGER", "shots found"),
            ("clip_count", "INTEGER", "clips made, which is how many have to end before the video is done"),
            ("updated_at", "TIMESTAMPTZ", "when this row was written last"),
        ),
    ),
    "transcripts": (
        "One row a video and pipeline version: all that was said.",
        (
            ("video_id", "VARCHAR", "the video"),
            ("pipeline_version", "VARCHAR", "the version that made it"),
            ("source", "VARCHAR", "manual_subtitles, automatic_subtitles, asr or none"),
            ("language", "VARCHAR", "BCP 47; NULL if unknown"),
            ("model", "VARCHAR", "the recogniser and its settings; NULL for subtitles"),
            ("cue_count", "INTEGER", "stretches of speech"),
            ("word_count", "INTEGER", "words"),
            ("speech_s", "DOUBLE", "seconds during which somebody speaks, overlaps counted once"),
            (
                "cues",
                f"{_CUE}[]",
                "the speech, times in seconds of the video; NULL if their file was gone or broken by then",
            ),
        ),
    ),
    "clips": (
        "One row a candidate, accepted or not: every score, every verdict.",
        (
            ("clip_id", "VARCHAR", "video, start and end in milliseconds, pipeline version"),
            ("video_id", "VARCHAR", "the video"),
            ("pipeline_version", "VARCHAR", "the version that made it; see pipeline_versions"),
            ("clip_index", "INTEGER", "number among the clips of the video, from 0"),
            ("clip_count", "INTEGER", "clips of the video"),
            ("start_s", "DOUBLE", "start, in seconds of the video"),
            ("end_s", "DOUBLE", "end, in seconds of the video; not part of the clip"),
            ("duration_s", "DOUBLE", "end_s - start_s"),
            ("text", "VARCHAR", "what is said; empty where nobody speaks"),
            ("language", "VARCHAR", "BCP 47; NULL if unknown"),
            ("transcript_source", "VARCHAR", "manual_subtitles, automatic_subtitles, asr or none"),
            ("words", f"{_WORD}[]", "the words, times in seconds of the video"),
            ("accepted", "BOOLEAN", "true if no filter said no: then it is in samples"),
            ("scores", "MAP(VARCHAR, DOUBLE)", "measurements by name; see the view scores"),
            ("score_failures", "MAP(VARCHAR, VARCHAR)", "measurements that failed, and why"),
            ("verdicts", f"{_VERDICT}[]", "every filter's word; see the view verdicts"),
            ("split", "VARCHAR", "train, val or test: a function of split_group"),
            ("split_group", "VARCHAR", "clips of one group (a channel, else a video) share a split"),
            ("size_bytes", "BIGINT", "size of the clip's mp4"),
            ("sha256", "VARCHAR", "SHA-256 of the clip's mp4, hex"),
            ("cut", _CUT, "what the cut was asked for, and what the written file holds"),
            ("judged_at", "TIMESTAMPTZ", "when the last filter judged; NULL if none did"),
            ("stored_at", "TIMESTAMPTZ", "when this row was written"),
        ),
    ),
    "captions": (
        "One row a caption of an accepted or rejected clip.",
        (
            ("clip_id", "VARCHAR", "the clip"),
            ("caption_index", "INTEGER", "number among the captions of the clip, from 0"),
            ("captioner", "VARCHAR", "who wrote it"),
            ("text", "VARCHAR", "the caption"),
            ("model", "VARCHAR", "the model and its weights; NULL without one"),
            ("match", "DOUBLE", "how well it fits the frames (cosine); NULL if not measured"),
        ),
    ),
    "embeddings": (
        "One row an accepted clip; the frames' embeddings are in the shards.",
        (
            ("clip_id", "VARCHAR", "the clip"),
            ("model", "VARCHAR", "weights and preprocessing; do not mix"),
            ("dim", "INTEGER", "length of the vectors"),
            ("frame_count", "INTEGER", "frames embedded"),
            ("clip_embedding", "FLOAT[]", "mean of the frames' embeddings, L2-normalised"),
            ("text_embedding", "FLOAT[]", "embedding of the transcript's text, L2-normalised; NULL without text"),
        ),
    ),
    "samples": (
        "One row an accepted clip and layout: where a trainer finds it.",
        (
            ("clip_id", "VARCHAR", "the clip; also its key in the shard"),
            ("layout", "VARCHAR", "video-text (mp4 txt json) or embeddings (npy txt json)"),
            ("split", "VARCHAR", "train, val or test"),
            ("shard_path", "VARCHAR", "the shard, relative to the dataset's folder or to store.s3.url"),
            ("offset_bytes", "BIGINT", "where in the shard its first tar header starts"),
            ("size_bytes", "BIGINT", "its bytes there, headers and padding included"),
        ),
    ),
    "shards": (
        "One row a shard: a tar file, complete once it is sealed.",
        (
            (
                "shard_path",
                "VARCHAR",
                "relative to the dataset's folder or to store.s3.url; ends in .part on disk while open",
            ),
            ("layout", "VARCHAR", "video-text or embeddings"),
            ("split", "VARCHAR", "train, val or test"),
            ("shard_index", "INTEGER", "number within layout and split, from 0"),
            ("state", "VARCHAR", "open or sealed"),
            ("sample_count", "INTEGER", "samples in it"),
            ("data_bytes", "BIGINT", "bytes of its samples; a sealed file has 1024 bytes more, tar's end"),
            ("opened_at", "TIMESTAMPTZ", "when its first sample was written"),
            ("sealed_at", "TIMESTAMPTZ", "when it was sealed; NULL while open"),
        ),
    ),
    "pipeline_versions": (
        "One row a pipeline version: the settings behind it.",
        (
            ("pipeline_version", "VARCHAR", "hash of all that changes the data"),
            ("settings_json", "VARCHAR", "the settings, as JSON"),
            ("registered_at", "TIMESTAMPTZ", "when this dataset saw it first"),
        ),
    ),
    "offsets": (
        "How far each log is in the dataset: part of every commit, which is what makes it exactly once.",
        (
            ("cluster_id", "VARCHAR", "the Kafka cluster; one that is made anew has another"),
            ("topic_id", "VARCHAR", "the topic's id in it"),
            ("topic", "VARCHAR", "the topic's contract, without prefix"),
            ("partition", "INTEGER", "the partition"),
            ("next_offset", "BIGINT", "the first offset that is not in the dataset"),
        ),
    ),
    "dead_letters": (
        "One row an input that ended with a failure.",
        (
            ("cluster_id", "VARCHAR", "the Kafka cluster"),
            ("stage", "VARCHAR", "the stage that gave up"),
            ("input_topic", "VARCHAR", "where the input came from"),
            ("input_partition", "INTEGER", "its partition"),
            ("input_offset", "BIGINT", "its offset"),
            ("input_key", "VARCHAR", "its key; NULL without one"),
            ("input_value", "VARCHAR", "the input as it came"),
            ("input_value_base64", "BOOLEAN", "true if it was no UTF-8 and input_value is its base64"),
            ("video_id", "VARCHAR", "the video; NULL if nobody could tell"),
            ("clip_id", "VARCHAR", "the clip; NULL if it is the video that failed"),
            ("kind", "VARCHAR", "terminal (can never work), exhausted (tried too often) or unknown"),
            ("reason", "VARCHAR", "a short slug"),
            ("message", "VARCHAR", "the reason in a sentence"),
            ("traceback", "VARCHAR", "Python's traceback; NULL if there is none"),
            ("attempt", "INTEGER", "attempts made"),
            ("failed_at", "TIMESTAMPTZ", "when it was given up"),
            ("stored_at", "TIMESTAMPTZ", "when this row was written"),
        ),
    ),
    "writer": (
        "One row: which writer may commit. Kept where a lock on a folder is not enough: on Postgres and on S3.",
        (
            ("number", "BIGINT", "the writer's number; a later writer's is higher"),
            ("holder", "VARCHAR", "its process and host"),
            ("held_at", "TIMESTAMPTZ", "when it committed last"),
        ),
    ),
    "dataset_version": (
        "One row: the version of these tables.",
        (
            ("schema_version", "INTEGER", "the version; a writer refuses any other than its own"),
            ("created_by", "VARCHAR", "the vta-stream that made them"),
            ("created_at", "TIMESTAMPTZ", "when"),
        ),
    ),
}

VIEWS: dict[str, tuple[str, str]] = {
    "verdicts": (
        "One row a clip and filter. Why is it in, or out?",
        "SELECT clip_id, video_id, accepted, verdict.filter AS filter, verdict.keep AS keep, verdict.reason AS reason, "
        "verdict.value AS value, verdict.limit_value AS limit_value "
        "FROM (SELECT clip_id, video_id, accepted, unnest(verdicts) AS verdict FROM clips)",
    ),
    "scores": (
        "One row a clip and measurement; value is NULL where it failed, failure says why.",
        "SELECT clip_id, video_id, accepted, entry.key AS score, entry.value AS value, NULL::VARCHAR AS failure "
        "FROM (SELECT clip_id, video_id, accepted, unnest(map_entries(scores)) AS entry FROM clips) UNION ALL "
        "SELECT clip_id, video_id, accepted, entry.key, NULL::DOUBLE, entry.value "
        "FROM (SELECT clip_id, video_id, accepted, unnest(map_entries(score_failures)) AS entry FROM clips)",
    ),
    "funnel": (
        "How many videos and clips came how far.",
        "SELECT 'videos ' || status AS step, count(*) AS count FROM videos GROUP BY status UNION ALL "
        "SELECT 'clips', count(*) FROM clips UNION ALL "
        "SELECT 'clips accepted', count(*) FROM clips WHERE accepted UNION ALL "
        "SELECT 'clips rejected by ' || filter, count(*) FROM verdicts WHERE NOT keep GROUP BY filter UNION ALL "
        "SELECT 'dead letters of ' || stage, count(*) FROM dead_letters GROUP BY stage",
    ),
}


def migrate(lake: Lake) -> None:
    """Make the tables of a new catalog, all in one transaction; check the version of one that has tables.

    TerminalError `dataset_version` if the dataset is of another version, or of another program.
    """
    tables = lake.tables()
    if tables:
        check_version(lake, tables)
        return
    with lake.transaction():
        for table, (comment, columns) in TABLES.items():
            lake.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind, _ in columns)})")
            lake.execute(f"COMMENT ON TABLE {table} IS {quoted(comment)}")
            for name, _, text in columns:
                lake.execute(f"COMMENT ON COLUMN {table}.{name} IS {quoted(text)}")
        for view, (comment, query) in VIEWS.items():
            lake.execute(f"CREATE VIEW {view} AS {query}")
            lake.execute(f"COMMENT ON VIEW {view} IS {quoted(comment)}")
        lake.execute(f"INSERT INTO dataset_version VALUES ({SCHEMA_VERSION}, {quoted(__version__)}, now())")


def check_version(lake: Lake, tables: set[str]) -> None:
    """TerminalError `dataset_version` unless the tables are of this version."""
    folder = lake.catalog.dataset_dir
    if "dataset_version" not in tables:
        raise TerminalError(
            "dataset_version",
            f"{lake.catalog.uri} holds tables of another program: set data_dir (or store.catalog) to a new place",
        )
    for version, writer in lake.rows("SELECT schema_version, created_by FROM dataset_version"):
        if version != SCHEMA_VERSION:
            raise TerminalError(
                "dataset_version",
                f"{folder} is a dataset of version {version}, made by vta-stream {writer}; this is vta-stream "
                f"{__version__}, which writes version {SCHEMA_VERSION}: run the vta-stream that made it, or set "
                "data_dir to a new folder and publish the videos again",
            )
