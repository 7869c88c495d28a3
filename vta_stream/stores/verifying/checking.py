"""The whole check: all pieces, in the order in which one finding does not make ten others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vta_stream.ports import StageError
from vta_stream.settings.work import StoreSettings
from vta_stream.stores.catalog import TABLES_FOLDER, Catalog
from vta_stream.stores.reader import DatasetError
from vta_stream.stores.shards import ShardRow
from vta_stream.stores.verifying.at_work import writer_at_work
from vta_stream.stores.verifying.findings import KINDS, Finding, Report
from vta_stream.stores.verifying.homes import FolderHome, Home, home_of
from vta_stream.stores.verifying.leftovers import check_leftovers, check_splits
from vta_stream.stores.verifying.marks import check_mark
from vta_stream.stores.verifying.resubmitting import submit_lines
from vta_stream.stores.verifying.shard_bytes import check_shards
from vta_stream.stores.verifying.snapshot import Placed, Snapshot, open_snapshot
from vta_stream.stores.verifying.table_files import UnreadableTable, check_table_files, copy_tables
from vta_stream.stores.verifying.tables import check_tables

_FOR_SAMPLES = {"samples", "clips", "embeddings"}

Progress = Callable[[int, int], None]
"""Told the bytes of samples looked at so far, and all that there are."""


def verify(dataset_dir: Path, store: StoreSettings | None = None) -> list[Finding]:
    """Everything that is wrong with the dataset; see `check`."""
    return check(dataset_dir, store).findings


def check(
    dataset_dir: Path,
    store: StoreSettings | None = None,
    progress: Progress | None = None,
    *,
    lock_is_ours: bool = False,
) -> Report:
    """Check the whole dataset, reading only.

    A writer may be at work: then one snapshot is checked, open shards up to their committed bytes, and what only
    means something at rest (files that no row names, unfinished ends) is left out, with a note. `store` says where the
    catalog is, and the files; None: in the folder. `lock_is_ours`: the caller holds the writer's lock, so nobody else
    writes. DatasetError if there is no dataset that could be checked; TransientError if a bucket does not answer.
    """
    catalog = catalog_of(dataset_dir, store)
    home = home_of(catalog)
    report = Report()
    at_work = not lock_is_ours and writer_at_work(catalog)
    with open_snapshot(catalog) as snapshot:
        _add(report, check_mark(snapshot, home))
        unreadable: set[str] = set()
        version, shards, placed = _check_catalog(snapshot, home, report, unreadable)
        report.checked["shards"] = len(shards or ())
        if placed and shards is not None:
            with _counted(report, sum(row.data_bytes for row in shards), progress) as advance:
                _add(report, check_shards(home, shards, _counting(snapshot.samples(), report), advance))
        if shards is not None:
            named = set() if "samples" in unreadable else snapshot.named_shards()
            _add(report, check_leftovers(home, FolderHome(catalog.dataset_dir), shards, named))
            _add(report, check_splits(home, shards))
        if not lock_is_ours:
            at_work = at_work or writer_at_work(catalog) or snapshot.version() != version
        lost = {video_id for finding in report.findings for video_id in finding.videos}
        report.submit = [] if "videos" in unreadable else submit_lines(snapshot, lost)
    if at_work:
        report.forget([kind for kind, facts in KINDS.items() if facts.quiet])
        report.notes.append(
            "a worker is writing: checked is the snapshot of commit "
            f"{version}, open shards up to what it has committed; leftover files are judged only when none writes"
        )
    return report


def catalog_of(dataset_dir: Path, store: StoreSettings | None) -> Catalog:
    """Where the catalog and the files are; DatasetError for settings that make no sense."""
    try:
        return Catalog.of(dataset_dir, store or StoreSettings())
    except StageError as error:
        raise DatasetError(str(error)) from error


def _check_catalog(
    snapshot: Snapshot, home: Home, report: Report, unreadable: set[str]
) -> tuple[int, list[ShardRow] | None, bool]:
    """All that is to be asked of one state of the catalog.

    Returns its commit, the shards if they can be read, and whether it is known what lies in them. A table is called
    damaged when it could not be read twice, and its place answered in between: a network has its moments.
    """
    damaged: list[Finding] = []
    suspects: set[str] = set()
    while True:
        try:
            with snapshot.one_state():
                version = snapshot.version()
                files = list(check_table_files(snapshot, home, unreadable))
                report.checked["rows"] = copy_tables(snapshot, unreadable)
        except UnreadableTable as error:
            if error.table not in suspects:
                suspects.add(error.table)
                continue
            unreadable.add(error.table)
            damaged.append(Finding("table_file_damaged", f"{TABLES_FOLDER}/main/{error.table}", str(error)))
        else:
            break
    _add(report, iter([*files, *damaged]))
    _add(report, check_tables(snapshot, unreadable))
    shards = None if "shards" in unreadable else snapshot.shards()
    placed = not _FOR_SAMPLES & unreadable
    if unreadable:
        report.notes.append(
            f"the tables {', '.join(sorted(unreadable))} cannot be read: what needs them was not checked"
        )
    return version, shards, placed


def _add(report: Report, findings: Iterator[Finding]) -> None:
    for finding in findings:
        report.add(finding)


def _counting(samples: Iterator[Placed], report: Report) -> Iterator[Placed]:
    for sample in samples:
        report.checked["samples"] += 1
        yield sample


@contextmanager
def _counted(report: Report, total_bytes: int, progress: Progress | None) -> Iterator[Callable[[int], None]]:
    def advance(more_bytes: int) -> None:
        report.checked["bytes"] += more_bytes
        if progress is not None:
            progress(report.checked["bytes"], total_bytes)

    yield advance
