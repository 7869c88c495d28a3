"""Keeping the lake tidy between commits: few large files instead of many small ones, no endless history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vta_stream.failpoints import hit
from vta_stream.settings.work import StoreSettings
from vta_stream.stores.catalog import METADATA

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

UNUSED_KEPT_S = 3600.0
"""Files that nothing names any more stay for so long: a reader may still be in the middle of one."""
ORPHANS_KEPT_S = 86400.0
"""Files that the catalog never heard of stay for so long, where another writer may be about to name them."""


def remove_orphans(lake: Lake) -> None:
    """Remove the tables' files that a crash left: no commit names them, and none ever will.

    Only for a folder, and before the first commit. In a bucket, a writer that was paused may still be writing.
    """
    if lake.catalog.bucket is None:
        lake.execute("CALL ducklake_delete_orphaned_files('vta', cleanup_all => true)")


def tidy(
    lake: Lake, settings: StoreSettings, *, unused_kept_s: float = UNUSED_KEPT_S, orphans_kept_s: float = ORPHANS_KEPT_S
) -> None:
    """Merge small files, apply deletions, drop old snapshots, and remove the files that are not needed any more."""
    with lake.transaction():
        lake.execute("CALL ducklake_rewrite_data_files('vta')")
    with lake.transaction():
        lake.execute("CALL ducklake_merge_adjacent_files('vta')")
    hit("store.tidying")
    for call, times, seconds in (
        ("ducklake_expire_snapshots", "ducklake_snapshot.snapshot_time", settings.keep_snapshots_days * 86400),
        ("ducklake_cleanup_old_files", "ducklake_files_scheduled_for_deletion.schedule_start", unused_kept_s),
        ("ducklake_delete_orphaned_files", None, orphans_kept_s),
    ):
        if times and lake.catalog.file:
            _make_comparable(lake, *times.split("."))
        lake.execute(f"CALL {call}('vta', older_than => now() - to_seconds({seconds:.3f}))")


def _make_comparable(lake: Lake, table: str, column: str) -> None:
    """Write the times in a table of an SQLite catalog as DuckLake compares them; they stay the same times.

    SQLite keeps them as text, and DuckLake compares texts when it looks for what is old: one of its own, such as
    `2026-11-26 03:00:00+01`, with a limit such as `2026-11-26T01:30:00+00`. A space is less than a T, so all of the
    limit's day was old at once, and files were removed that readers were about to open.
    """
    lake.execute(
        f"UPDATE {METADATA}.{table} "
        f"SET {column} = strftime({column}::TIMESTAMPTZ AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00') "
        f"WHERE {column} NOT LIKE '%T%+00'"
    )
