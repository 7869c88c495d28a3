"""python -m tests.faults.chaos --kills N --seed S: see the package's head."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests import kafka_process
from tests.faults.chaos import elsewhere
from tests.faults.chaos.report import as_json, as_markdown, as_text
from tests.faults.chaos.run import Options, Outcome, Run
from tests.faults.chaos.schedule import KINDS, make_schedule


@click.command()
@click.option("--kills", default=100, show_default=True, help="Deaths of workers by kill -9.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same schedule.")
@click.option("--workers", default=3, show_default=True, help="Worker processes; the first has the store.")
@click.option("--pace", "pace_s", default=4.0, show_default=True, help="Seconds from fault to fault, on average.")
@click.option("--backlog", default=60, show_default=True, help="Videos under way at any time.")
@click.option("--only", multiple=True, type=click.Choice(list(KINDS)), help="Only faults of this kind.")
@click.option(
    "--dataset",
    type=click.Choice(["folder", "s3", "both"]),
    default="both",
    show_default=True,
    help="A folder; files on S3 with a catalog in Postgres; or half of the kills on each, one after the other.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; has to be new. Default: temporary.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures here, too.")
@click.option("--markdown", is_flag=True, help="Print the tables as Markdown, too.")
@click.option("--keep", is_flag=True, help="Keep the folder also when all went well.")
def main(
    kills: int,
    seed: int,
    workers: int,
    pace_s: float,
    backlog: int,
    only: tuple[str, ...],
    dataset: str,
    folder: Path | None,
    json_file: Path | None,
    markdown: bool,
    keep: bool,
) -> None:
    """Kill workers and the broker, fill the disk, pause, lock, and see whether anything is lost or there twice."""
    missing = kafka_process.missing() or (elsewhere.missing() if dataset != "folder" else None)
    if missing:
        raise click.ClickException(f"{missing}; --dataset folder needs neither S3 nor Postgres")
    folder = (folder or Path(tempfile.mkdtemp(prefix="vta-chaos-"))).absolute()
    outcomes = []
    for name in ("folder", "s3") if dataset == "both" else (dataset,):
        share = kills if dataset != "both" else kills // 2 if name == "s3" else kills - kills // 2
        leave_out = [kind.name for kind in KINDS.values() if (only and kind.name not in only)]
        if name == "folder":
            leave_out += [kind.name for kind in KINDS.values() if kind.elsewhere]
        schedule = make_schedule(max(1, share), seed, workers, pace_s=pace_s, leave_out=leave_out)
        options = Options(seed, schedule, in_bucket=name == "s3", workers=workers, backlog=backlog)
        outcomes.append(_run(folder / name, options, keep=keep))
    if markdown:
        click.echo(as_markdown(outcomes))
    if json_file:
        json_file.write_text(as_json(outcomes))
    again = f"make chaos KILLS={kills} SEED={seed}" + (f" WORKERS={workers}" if workers != 3 else "")
    click.echo(f"\nonce more: {again}")
    good = not any(outcome.problems for outcome in outcomes)
    if good and not keep:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


def _run(folder: Path, options: Options, *, keep: bool) -> Outcome:
    """One run, told as it goes. Its folder stays if it went badly."""
    folder.mkdir(parents=True)
    (folder / "schedule.txt").write_text("".join(f"{fault.at_s:8.1f} {fault}\n" for fault in options.schedule))
    click.echo(f"{len(options.schedule)} faults over {options.schedule[-1].at_s:.0f} s, in {folder}")
    run = Run(folder, options, click.echo)
    good = False
    try:
        outcome = asyncio.run(run.go())
        good = not outcome.problems
        click.echo(as_text(outcome))
    finally:
        if good and not keep:
            run.place.leave()
    return outcome


if __name__ == "__main__":
    main()
