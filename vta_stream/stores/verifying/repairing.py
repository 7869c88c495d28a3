"""Repair: check, mend what can be mended, and check again, until nothing more can be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vta_stream.settings.work import StoreSettings
from vta_stream.stores.verifying import mend_files, mend_rows
from vta_stream.stores.verifying.bench import Bench, open_bench, writers_kept_out
from vta_stream.stores.verifying.checking import Progress, catalog_of, check
from vta_stream.stores.verifying.findings import Finding, Report

ROUNDS_MAX = 6
"""A mended thing may show the next: rows that are removed leave bytes that no row names."""

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
    "unnamed_bytes": mend_files.rewrite_shards,
    "unknown_shard_file": mend_files.put_aside,
    "unknown_table_file": mend_files.put_aside,
    "leftover": mend_files.put_aside,
    "splits_csv": mend_files.list_splits,
}
"""Kind -> what mends it, in the order of the work within a round."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was wrong, what was done about it, and what still is wrong.

    `submit` are the commands that bring back what was lost, whether its rows were dropped or not.
    """

    before: Report
    after: Report
    done: tuple[str, ...]
    submit: tuple[str, ...]


def repair(
    dataset_dir: Path,
    store: StoreSettings | None = None,
    progress: Progress | None = None,
    *,
    drop_lost: bool = False,
) -> Repaired:
    """Mend the dataset in place; `drop_lost` takes out the rows of what is lost for good as well.

    Nothing that a row names is ever removed, and no file deleted. TerminalError `second_writer` while a worker
    writes. DatasetError if there is no dataset. Where a table cannot be read nothing is touched.
    """
    dataset_dir = dataset_dir.resolve()
    catalog = catalog_of(dataset_dir, store)
    done: list[str] = []
    submit: dict[str, None] = {}
    if not dataset_dir.is_dir():
        return _untouched(check(dataset_dir, store, progress))
    with writers_kept_out(catalog):
        before = after = check(dataset_dir, store, progress, lock_is_ours=True)
        for _ in range(ROUNDS_MAX):
            submit.update(dict.fromkeys(after.submit))
            work = _work(after.findings, drop_lost=drop_lost)
            if not work or any(finding.kind.startswith("table_file") for finding in after.findings):
                break
            with open_bench(catalog) as bench:
                for mender, findings in work:
                    mender(bench, findings)
                done += bench.done
            after = check(dataset_dir, store, progress, lock_is_ours=True)
    return Repaired(before, after, tuple(done), tuple(submit))


def _untouched(report: Report) -> Repaired:
    return Repaired(report, report, (), tuple(report.submit))


def _work(findings: Sequence[Finding], *, drop_lost: bool) -> list[tuple[Mender, list[Finding]]]:
    work: list[tuple[Mender, list[Finding]]] = []
    lost = [finding for finding in findings if finding.mend == "drop"]
    if drop_lost and lost:
        work.append((mend_rows.drop_lost, lost))
        return work  # what this leaves behind is for the next round
    for kind, mender in MENDERS.items():
        if named := [finding for finding in findings if finding.kind == kind]:
            work.append((mender, named))
    return work
