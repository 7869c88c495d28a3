"""Mending rows: each mender takes all findings of its kind, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vta_stream.settings.work import MediaStoreSettings
from vta_stream.stores.catalog import quoted_list
from vta_stream.stores.media_store import LocalMediaStore
from vta_stream.stores.rows import Row, moment, shard_row
from vta_stream.stores.shards import SHARDS_FOLDER, ShardRow
from vta_stream.stores.verifying.bench import Bench
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.tables import KEYS
from vta_stream.stores.video_rows import update_videos

_SHARD_PATH = re.compile(rf"{SHARDS_FOLDER}/([a-z-]+)/([a-z]+)/shard-(\d+)(?:-\d+)?\.tar")
"""Layout, split and number; in a bucket the writer's number comes behind it."""
_ORDER = {"videos": "updated_at DESC", "offsets": "next_offset"}
"""Of several rows with one key the first of this order is kept: the newest word on a video; the offset from which
more is read again, since nothing is added twice. Of all others the one that was written first."""


def keep_one(bench: Bench, findings: Sequence[Finding]) -> None:
    """`row_twice`."""
    for table in sorted({finding.place.partition(" ")[0] for finding in findings}):
        order = _ORDER.get(table, "rowid")
        numbered = f"row_number() OVER (PARTITION BY {', '.join(KEYS[table])} ORDER BY {order}) AS place"
        _delete(bench, table, f"rowid IN (SELECT rowid FROM (SELECT rowid, {numbered} FROM {table}) WHERE place > 1)")


def remove_orphans(bench: Bench, findings: Sequence[Finding]) -> None:
    """`row_without_clip`."""
    for table in sorted({finding.place.partition(" ")[0] for finding in findings}):
        _delete(bench, table, "clip_id NOT IN (SELECT clip_id FROM clips)")


def take_rejected_out(bench: Bench, findings: Sequence[Finding]) -> None:
    """`rejected_in_shard`: the bytes go with the next round, once no row names them."""
    for table in ("samples", "embeddings"):
        _delete(bench, table, "clip_id IN (SELECT clip_id FROM clips WHERE NOT accepted)")


def remove_invalid_offsets(bench: Bench, findings: Sequence[Finding]) -> None:
    """`offset_invalid`."""
    _delete(bench, "offsets", "next_offset IS NULL OR next_offset < 0 OR partition < 0")


def judge_again(bench: Bench, findings: Sequence[Finding]) -> None:
    """`video_misjudged`: as the writer would. A row that says nothing (not segmented, not failed) goes."""
    named = [finding.place.partition(" ")[2] for finding in findings]
    nowhere = LocalMediaStore(bench.dataset_dir / "no-media", MediaStoreSettings())
    with bench.transaction():
        empty = "pipeline_version IS NULL AND status IS DISTINCT FROM 'failed'"
        for (video_id,) in bench.lake.rows(f"SELECT video_id FROM videos WHERE {empty}"):
            bench.done.append(f"videos {video_id}: its row said nothing and is removed")
        bench.lake.execute(f"DELETE FROM videos WHERE {empty}")
        changes = update_videos(bench.lake, named, (), nowhere, bench.now_s)
    for video_id, status in changes.status.items():
        bench.done.append(f"videos {video_id}: judged anew, {status}")


def count_again(bench: Bench, findings: Sequence[Finding]) -> None:
    """`shard_count`: what the rows of samples say is right, since the bytes agreed with them."""
    counted = _counted(bench, [finding.place for finding in findings])
    with bench.transaction():
        for path, (sample_count, data_bytes) in counted.items():
            bench.lake.execute(
                f"UPDATE shards SET sample_count = {sample_count}, data_bytes = {data_bytes} "
                f"WHERE shard_path IN ({quoted_list([path])})"
            )
            bench.done.append(f"{path}: its row says {sample_count} samples in {data_bytes} bytes now")


def make_shard_rows(bench: Bench, findings: Sequence[Finding]) -> None:
    """`shard_row_missing`: as sealed, so that the next round finishes the file if it is not."""
    rows: list[Row] = []
    for path, (sample_count, data_bytes) in _counted(bench, [finding.place for finding in findings]).items():
        named = _SHARD_PATH.fullmatch(path)
        if named is None:
            bench.left.append(f"{path}: no row was made, because a shard is not called so")
            continue
        layout, split, index = named[1], named[2], int(named[3])
        times = (bench.now_s, bench.now_s)
        rows.append(shard_row(ShardRow(path, layout, split, index, "sealed", sample_count, data_bytes, *times)))
        bench.done.append(f"{path}: its row is there again")
    with bench.transaction():
        bench.lake.insert("shards", rows)


def _counted(bench: Bench, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    rows = bench.lake.rows(
        "SELECT shard_path, count(*), max(offset_bytes + size_bytes) FROM samples "
        f"WHERE shard_path IN ({quoted_list(paths)}) GROUP BY shard_path"
    )
    return {path: (int(count), int(end)) for path, count, end in rows}


def drop_lost(bench: Bench, findings: Sequence[Finding]) -> None:
    """Take out all rows of clips of which something is lost, and call their videos under way again.

    Then they are added like new ones when the videos come again; the rest of such a video stays as it is.
    """
    clips = quoted_list({clip_id for finding in findings for clip_id in finding.clips} or {""})
    videos = quoted_list({video_id for finding in findings for video_id in finding.videos} or {""})
    lost_rows = quoted_list(
        {finding.place.partition(" ")[2] for finding in findings if finding.kind == "transcript_missing"} or {""}
    )
    for table in ("samples", "embeddings", "captions", "clips"):
        _delete(bench, table, f"clip_id IN ({clips})")
    _delete(bench, "videos", f"video_id IN ({lost_rows})")
    _delete(bench, "shards", "shard_path NOT IN (SELECT shard_path FROM samples)")
    with bench.transaction():
        bench.lake.execute(
            f"UPDATE videos SET status = 'processing', updated_at = '{moment(bench.now_s)}' "
            f"WHERE video_id IN ({videos}) AND status = 'done'"
        )


def _delete(bench: Bench, table: str, condition: str) -> None:
    with bench.transaction():
        ((count,),) = bench.lake.rows(f"SELECT count(*) FROM {table} WHERE {condition}")
        if count:
            bench.lake.execute(f"DELETE FROM {table} WHERE {condition}")
    if count:
        bench.done.append(f"{table}: {count} rows removed")
