"""What the tables say of each other: each check is one query for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vta_stream.stores.rows import DEAD_LETTER_KEY
from vta_stream.stores.verifying.findings import KINDS, Finding
from vta_stream.stores.verifying.snapshot import Snapshot

KEYS: dict[str, tuple[str, ...]] = {
    "videos": ("video_id",),
    "transcripts": ("video_id", "pipeline_version"),
    "clips": ("clip_id",),
    "captions": ("clip_id", "caption_index"),
    "embeddings": ("clip_id",),
    "samples": ("clip_id", "layout"),
    "shards": ("shard_path",),
    "pipeline_versions": ("pipeline_version",),
    "offsets": ("cluster_id", "topic_id", "partition"),
    "dead_letters": DEAD_LETTER_KEY,
}
"""What is there once in each table."""

_CLIP_ID = "^(.*)_[0-9]{9}_[0-9]{9}_[^_]+$"
VIDEO_OF_CLIP = f"regexp_extract(clip_id, '{_CLIP_ID}', 1)"
"""The video in a clip's ID, in SQL."""

ENDED_CLIPS = """(SELECT video_id, pipeline_version, count(DISTINCT clip_id) AS ended FROM (
    SELECT video_id, clip_id FROM clips UNION ALL
    SELECT video_id, clip_id FROM dead_letters WHERE clip_id IS NOT NULL
) JOIN videos USING (video_id) WHERE ends_with(clip_id, '_' || pipeline_version) GROUP BY ALL)"""
_JUDGED = f"videos LEFT JOIN {ENDED_CLIPS} AS e USING (video_id, pipeline_version)"
_ENDED = "coalesce(ended, 0)"
_LETTER_OF_VIDEO = "SELECT video_id FROM dead_letters WHERE clip_id IS NULL"


def video_of(clip_id: str) -> str:
    """The video in a clip's ID; empty if it is none."""
    found = re.match(_CLIP_ID, clip_id)
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class TableCheck:
    """`sql` gives (place, detail, video ID or NULL) for everything that is wrong, from these tables.

    A place of the tables of clips is the table's name, a space and the clip's ID.
    """

    kind: str
    tables: tuple[str, ...]
    sql: str

    def find(self, snapshot: Snapshot) -> Iterator[Finding]:
        """Ask."""
        for place, detail, video_id in snapshot.rows(self.sql):
            _, _, key = place.partition(" ")
            clips = (key,) if KINDS[self.kind].mend == "drop" and video_of(key) else ()
            yield Finding(self.kind, place, detail, (video_id,) if video_id else (), clips)


def _twice(table: str, key: tuple[str, ...]) -> TableCheck:
    names = ", ".join(key)
    return TableCheck(
        "row_twice",
        (table,),
        f"SELECT '{table} ' || concat_ws(' ', {names}), count(*) || ' rows', NULL FROM {table} "
        f"GROUP BY {names} HAVING count(*) > 1 ORDER BY ALL",
    )


def _orphans(table: str) -> TableCheck:
    return TableCheck(
        "row_without_clip",
        (table, "clips"),
        f"SELECT '{table} ' || clip_id, count(*) || ' rows', {VIDEO_OF_CLIP} FROM {table} ANTI JOIN clips "
        "USING (clip_id) GROUP BY clip_id ORDER BY ALL",
    )


CHECKS: tuple[TableCheck, ...] = (
    *(_twice(table, key) for table, key in KEYS.items()),
    *(_orphans(table) for table in ("captions", "embeddings", "samples")),
    TableCheck(
        "sample_missing",
        ("clips", "samples"),
        "SELECT 'clips ' || clip_id, 'no sample of the layout video-text', video_id FROM clips ANTI JOIN "
        "(SELECT clip_id FROM samples WHERE layout = 'video-text') USING (clip_id) WHERE accepted ORDER BY ALL",
    ),
    TableCheck(
        "sample_missing",
        ("clips", "embeddings", "samples"),
        "SELECT 'embeddings ' || clip_id, 'no sample of the layout embeddings', video_id FROM clips SEMI JOIN "
        "embeddings USING (clip_id) ANTI JOIN (SELECT clip_id FROM samples WHERE layout = 'embeddings') "
        "USING (clip_id) WHERE accepted ORDER BY ALL",
    ),
    TableCheck(
        "embedding_missing",
        ("clips", "embeddings", "samples"),
        "SELECT 'samples ' || clip_id, 'no row in embeddings', video_id FROM clips SEMI JOIN "
        "(SELECT clip_id FROM samples WHERE layout = 'embeddings') USING (clip_id) ANTI JOIN embeddings "
        "USING (clip_id) WHERE accepted ORDER BY ALL",
    ),
    TableCheck(
        "embedding_missing",
        ("embeddings",),
        f"SELECT 'embeddings ' || clip_id, 'vectors that are not of ' || dim || ' numbers', {VIDEO_OF_CLIP} "
        "FROM embeddings WHERE clip_embedding IS NULL OR len(clip_embedding) <> dim OR "
        "coalesce(text_dim, dim) <> dim ORDER BY ALL",
    ),
    TableCheck(
        "rejected_in_shard",
        ("clips", "samples", "embeddings"),
        "SELECT 'clips ' || clip_id, 'it has ' || string_agg(DISTINCT what, ' and ' ORDER BY what), NULL FROM clips "
        "JOIN (SELECT clip_id, 'a sample in ' || shard_path AS what FROM samples UNION ALL "
        "SELECT clip_id, 'a row in embeddings' FROM embeddings) USING (clip_id) WHERE NOT accepted "
        "GROUP BY clip_id ORDER BY ALL",
    ),
    TableCheck(
        "verdict_disagrees",
        ("clips",),
        "SELECT 'clips ' || clip_id, CASE WHEN accepted THEN 'accepted, and a filter says no' ELSE "
        "'rejected, and no filter says no' END, NULL FROM clips "
        "WHERE accepted = refused ORDER BY ALL",
    ),
    TableCheck(
        "clips_missing",
        ("videos", "clips", "dead_letters"),
        f"SELECT 'videos ' || video_id, {_ENDED} || ' of ' || clip_count || ' clips have ended', video_id "
        f"FROM {_JUDGED} WHERE status = 'done' AND {_ENDED} < clip_count ORDER BY ALL",
    ),
    TableCheck(
        "clips_too_many",
        ("videos", "clips", "dead_letters"),
        f"SELECT 'videos ' || video_id, {_ENDED} || ' clips of ' || clip_count, NULL FROM {_JUDGED} "
        f"WHERE {_ENDED} > clip_count ORDER BY ALL",
    ),
    TableCheck(
        "video_misjudged",
        ("videos", "clips", "dead_letters"),
        f"SELECT 'videos ' || video_id, 'called ' || status || ', and all ' || clip_count || ' clips have ended', NULL "
        f"FROM {_JUDGED} WHERE status <> 'done' AND {_ENDED} >= clip_count ORDER BY ALL",
    ),
    TableCheck(
        "video_misjudged",
        ("videos", "dead_letters"),
        f"SELECT DISTINCT 'videos ' || video_id, 'a dead letter says that it failed, and it has no row or is called "
        f"under way', NULL FROM ({_LETTER_OF_VIDEO}) ANTI JOIN (FROM videos WHERE status IN ('done', 'failed')) "
        "USING (video_id) WHERE regexp_full_match(video_id, '[A-Za-z0-9_-]{1,64}') ORDER BY ALL",
    ),
    TableCheck(
        "video_misjudged",
        ("videos",),
        "SELECT 'videos ' || video_id, 'called ' || coalesce(status, 'NULL') || ' before it was segmented', NULL "
        "FROM videos WHERE status IS NULL OR status NOT IN ('processing', 'done', 'failed') OR "
        "(status <> 'failed' AND pipeline_version IS NULL) ORDER BY ALL",
    ),
    TableCheck(
        "video_without_reason",
        ("videos", "dead_letters"),
        f"SELECT 'videos ' || video_id, 'called failed', video_id FROM videos ANTI JOIN ({_LETTER_OF_VIDEO}) "
        "USING (video_id) WHERE status = 'failed' ORDER BY ALL",
    ),
    TableCheck(
        "transcript_missing",
        ("videos", "transcripts"),
        "SELECT 'videos ' || video_id, 'no row in transcripts for version ' || pipeline_version, video_id FROM videos "
        "ANTI JOIN transcripts USING (video_id, pipeline_version) WHERE pipeline_version IS NOT NULL ORDER BY ALL",
    ),
    TableCheck(
        "split_disagrees",
        ("samples", "clips", "shards"),
        "SELECT 'samples ' || clip_id, 'the clip is of ' || c.split || ', the sample of ' || s.layout || '/' || "
        "s.split || ', its shard of ' || coalesce(h.layout || '/' || h.split, 'none'), c.video_id FROM samples AS s "
        "JOIN clips AS c USING (clip_id) LEFT JOIN shards AS h USING (shard_path) "
        "WHERE s.split <> c.split OR s.split <> h.split OR s.layout <> h.layout ORDER BY ALL",
    ),
    TableCheck(
        "offset_invalid",
        ("offsets",),
        "SELECT 'offsets ' || concat_ws(' ', cluster_id, topic_id, topic, partition), 'next offset ' || "
        "coalesce(next_offset::VARCHAR, 'NULL'), NULL FROM offsets "
        "WHERE next_offset IS NULL OR next_offset < 0 OR partition < 0 ORDER BY ALL",
    ),
    TableCheck(
        "shard_row_missing",
        ("samples", "shards"),
        "SELECT shard_path, count(*) || ' samples', NULL FROM samples ANTI JOIN shards USING (shard_path) "
        "GROUP BY shard_path ORDER BY ALL",
    ),
)
"""All checks of the tables."""


def check_tables(snapshot: Snapshot, unreadable: set[str]) -> Iterator[Finding]:
    """What is wrong with the rows; checks that need an unreadable table are left out."""
    for check in CHECKS:
        if not unreadable & set(check.tables):
            yield from check.find(snapshot)
