"""Repair: check, mend what can be mended, and check again, until nothing more can be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vta_stream.settings.work import StoreSettings
from vta_stream.stores.catalog import Catalog
from vta_stream.stores.reader import read_catalog
from vta_stream.stores.verifying import mend_files, mend_rows, mend_shards
from vta_stream.stores.verifying.bench import Bench, open_bench, take_over, writers_kept_out
from vta_stream.stores.verifying.checking import Progress, catalog_of, check
from vta_stream.stores.verifying.findings import Finding, Report
from vta_stream.stores.verifying.homes import Home, home_of
from vta_stream.stores.verifying.marks import check_mark
from vta_stream.stores.verifying.snapshot import open_snapshot
from vta_stream.stores.verifying.table_files import check_table_files

ROUNDS_MAX = 6
"""A mended thing may show the next: rows that are removed leave bytes that no row names."""

_UNREADABLE = "nothing more is touched while files of the tables cannot be read, or their place has no mark"

Mender = Callable[[Bench, Sequence[Finding]], None]

MENDERS: Mapping[str, Mender] = {
    "moved": mend_files.say_place,
    "row_twice": mend_rows.keep_one,
    "row_without_clip": mend_rows.remove_orphans,
    "rejected_in_shard": mend_rows.take_rejected_out,
    "video_misjudged": mend_rows.judge_again,
    "offset_invalid": mend_rows.remove_invalid_offsets,
    "shard_row_missing": mend_rows.make_shard_rows,
    "shard_count": mend_rows.count_again,
    "shard_renamed": mend_files.open_again,
    "shard_tail": mend_files.cut_tails,
    "shard_unsealed": mend_files.finish_seals,
    "shard_end": mend_files.end_shards,
    "unnamed_bytes": mend_shards.rewrite_shards,
    "unknown_shard_file": mend_files.put_aside,
    "unknown_table_file": mend_files.put_aside,
    "leftover": mend_files.put_aside,
    "splits_csv": mend_files.list_splits,
}
"""Kind -> what mends it, in the order of the work within a round."""

IN_A_BUCKET: Mapping[str, Mender] = dict.fromkeys(
    ("shard_renamed", "shard_tail", "shard_unsealed", "shard_end"), mend_shards.rewrite_shards
)
"""What takes the place of the former where no file can be changed."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was wrong, what was done about it, and what still is wrong.

    `submit` are the commands that bring back what was lost, whether its rows were dropped or not. `left` says what a
    repair mends and this one could not, and why.
    """

    before: Report
    after: Report
    done: tuple[str, ...]
    submit: tuple[str, ...]
    left: tuple[str, ...] = ()


def repair(
    dataset_dir: Path,
    store: StoreSettings | None = None,
    progress: Progress | None = None,
    *,
    drop_lost: bool = False,
) -> Repaired:
    """Mend the dataset in place; `drop_lost` takes out the rows of what is lost for good as well.

    Nothing that a row names is ever removed, and no file deleted. TerminalError `second_writer` while a worker
    writes. DatasetError if there is no dataset. Where a table cannot be read nothing is touched, nor in a place that
    does not have the dataset's mark. TransientError if Postgres or a bucket does not answer: what was mended until
    then stays so, and a repair goes on where it was.
    """
    catalog = catalog_of(dataset_dir, store)
    home = home_of(catalog)
    with read_catalog(catalog):
        pass  # a dataset is mended, and never made
    with writers_kept_out(catalog) as lock:
        if not _may_be_touched(catalog, home):
            return _untouched(check(dataset_dir, store, progress, lock_is_ours=True))
        fence = take_over(catalog)
        before = after = check(dataset_dir, store, progress, lock_is_ours=True)
        done: list[str] = []
        left: list[str] = []
        submit: dict[str, None] = {}
        for _ in range(ROUNDS_MAX):
            submit.update(dict.fromkeys(after.submit))
            work = _work(after.findings, home, drop_lost=drop_lost)
            if any(finding.kind.startswith("table_file") for finding in after.findings):
                left = [_UNREADABLE]
                break
            if not work:
                left = []
                break
            lock.hold()
            with open_bench(catalog, home, fence) as bench:
                for mender, findings in work:
                    mender(bench, findings)
            done, left = [*done, *bench.done], bench.left
            if not bench.done:
                break
            after = check(dataset_dir, store, progress, lock_is_ours=True)
    return Repaired(before, after, tuple(done), tuple(submit), tuple(left))


def _may_be_touched(catalog: Catalog, home: Home) -> bool:
    """False if the place lacks the dataset's mark, or files of its tables; asked before a number is taken there."""
    unreadable: set[str] = set()
    with open_snapshot(catalog) as snapshot:
        unmarked = list(check_mark(snapshot, home))
        with snapshot.one_state():
            for _ in check_table_files(snapshot, home, unreadable):
                continue
    return not unmarked and not unreadable


def _untouched(report: Report) -> Repaired:
    return Repaired(report, report, (), tuple(report.submit), (_UNREADABLE,) if report.findings else ())


def _work(findings: Sequence[Finding], home: Home, *, drop_lost: bool) -> list[tuple[Mender, list[Finding]]]:
    lost = [finding for finding in findings if finding.mend == "drop"]
    if drop_lost and lost:
        return [(mend_rows.drop_lost, lost)]  # what this leaves behind is for the next round
    menders = MENDERS if home.sink.keeps_open else {**MENDERS, **IN_A_BUCKET}
    work: dict[Mender, list[Finding]] = {}
    for kind, mender in menders.items():
        if named := [finding for finding in findings if finding.kind == kind]:
            work.setdefault(mender, []).extend(named)
    return list(work.items())
