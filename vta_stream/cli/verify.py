"""`vta-stream verify`: is the dataset what it promises to be, and what mends it?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vta_stream.cli.printable import printable

if TYPE_CHECKING:
    from vta_stream.stores.verifying import Finding, Repaired, Report

CLEAN, FINDINGS, NOT_CHECKED = 0, 1, 2


class NotChecked(click.ClickException):
    """The dataset could not be looked at."""

    exit_code = NOT_CHECKED


@click.command()
@click.argument("dataset", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--repair", "mend", is_flag=True, help="Mend what can be mended; no worker may be writing.")
@click.option(
    "--drop-lost", is_flag=True, help="With --repair: drop the rows of what is lost, so that it can come again."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, dataset: Path | None, mend: bool, drop_lost: bool, as_json: bool) -> None:
    """Check a whole dataset, every row and every byte: is all there once, and nothing else?

    DATASET is the dataset's folder on this machine; without it, the settings' dataset. Where its catalog and files
    are, if not in that folder (store.catalog, store.s3), the settings say. Only reads, also while a worker writes: then
    one commit's state is checked. One line a finding: its kind, its place, what it means, and what mends it. The exit
    code is 0 for a clean dataset, 1 with findings, 2 if it could not be checked.

    --repair cuts torn ends, finishes shards, counts and lists anew, writes shards anew without what no row names,
    and moves files that nobody knows to quarantine/, in the folder or the bucket; it deletes no file. In a bucket no
    object can be changed, so a shard that has to be is written anew. What is lost stays lost: the commands that bring
    it back are printed, and work after --repair --drop-lost.
    """
    import duckdb

    from vta_stream.ports import StageError
    from vta_stream.stores.reader import DatasetError
    from vta_stream.stores.verifying import check, repair

    if drop_lost and not mend:
        raise click.UsageError("--drop-lost is part of a repair: add --repair")
    settings = ctx.obj.settings
    folder = dataset or settings.dataset_dir
    repaired: Repaired | None = None
    try:
        with _progress(shown=not as_json and sys.stderr.isatty()) as progress:
            if mend:
                repaired = repair(folder, settings.store, progress, drop_lost=drop_lost)
            report = repaired.after if repaired else check(folder, settings.store, progress)
    except (DatasetError, StageError, OSError, duckdb.Error) as error:
        raise NotChecked(printable(str(error))) from error
    if as_json:
        click.echo(json.dumps(_plain(folder, report, repaired), indent=2, ensure_ascii=False))
    else:
        _tell(report, repaired)
    ctx.exit(FINDINGS if report.findings else CLEAN)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of the samples' bytes on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("samples"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task("samples", total=None)
        yield lambda done_bytes, all_bytes: bar.update(task, completed=done_bytes, total=all_bytes)


def _tell(report: Report, repaired: Repaired | None) -> None:
    for line in repaired.done if repaired else ():
        click.echo(printable(f"mended: {line}"))
    for line in repaired.left if repaired else ():
        click.echo(printable(f"not mended: {line}"))
    for finding in report.findings:
        click.echo(printable(str(finding)))
    for kind, count in report.more.items():
        click.echo(f"{kind}: {count} more like these")
    submit = repaired.submit if repaired else tuple(report.submit)
    if submit:
        click.echo("to bring back what is lost:")
        for line in submit:
            click.echo(printable(f"  {line}"))
    for note in report.notes:
        click.echo(printable(f"note: {note}"))
    seen = report.checked
    found = sum(report.more.values(), len(report.findings))
    click.echo(
        f"{seen['rows']:,} rows, {seen['samples']:,} samples in {seen['shards']:,} shards, {seen['bytes']:,} bytes: "
        + (f"{found:,} findings" if found else "clean")
    )


def _plain(folder: Path, report: Report, repaired: Repaired | None) -> dict[str, Any]:
    return {
        "dataset": str(folder),
        "clean": not report.findings,
        "findings": [_plain_finding(finding) for finding in report.findings],
        "more": dict(report.more),
        "notes": report.notes,
        "checked": {name: report.checked[name] for name in ("rows", "samples", "shards", "bytes")},
        "mended": list(repaired.done) if repaired else [],
        "not_mended": list(repaired.left) if repaired else [],
        "submit": list(repaired.submit) if repaired else report.submit,
    }


def _plain_finding(finding: Finding) -> dict[str, Any]:
    from vta_stream.stores.verifying import KINDS

    kind = KINDS[finding.kind]
    return {
        "kind": finding.kind,
        "place": finding.place,
        "detail": finding.detail,
        "meaning": kind.meaning,
        "mend": kind.mend,
        "remedy": kind.remedy,
        "videos": list(finding.videos),
        "clips": list(finding.clips),
    }
