"""python -m tests.faults.chaos --kills N --seed S: see the package's head."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests import kafka_process
from tests.faults.chaos.report import as_json, as_markdown, as_text
from tests.faults.chaos.run import Options, Run
from tests.faults.chaos.schedule import KINDS, make_schedule


@click.command()
@click.option("--kills", default=100, show_default=True, help="Deaths of workers by kill -9.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same schedule.")
@click.option("--workers", default=3, show_default=True, help="Worker processes; the first has the store.")
@click.option("--pace", "pace_s", default=4.0, show_default=True, help="Seconds from fault to fault, on average.")
@click.option("--backlog", default=60, show_default=True, help="Videos under way at any time.")
@click.option("--only", multiple=True, type=click.Choice(list(KINDS)), help="Only faults of this kind.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; has to be new. Default: temporary.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures here, too.")
@click.option("--markdown", is_flag=True, help="Print the tables as Markdown.")
@click.option("--keep", is_flag=True, help="Keep the folder also when all went well.")
def main(
    kills: int,
    seed: int,
    workers: int,
    pace_s: float,
    backlog: int,
    only: tuple[str, ...],
    folder: Path | None,
    json_file: Path | None,
    markdown: bool,
    keep: bool,
) -> None:
    """Kill workers and the broker, fill the disk, pause, lock, and see whether anything is lost or there twice."""
    missing = kafka_process.missing()
    if missing:
        raise click.ClickException(missing)
    leave_out = [kind for kind in KINDS if only and kind not in only]
    schedule = make_schedule(kills, seed, workers, pace_s=pace_s, leave_out=leave_out)
    folder = (folder or Path(tempfile.mkdtemp(prefix="vta-chaos-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedule.txt").write_text("".join(f"{fault.at_s:8.1f} {fault}\n" for fault in schedule))
    click.echo(f"{len(schedule)} faults over {schedule[-1].at_s:.0f} s, in {folder}")
    run = Run(folder, Options(seed, schedule, workers, backlog), click.echo)
    good = False
    try:
        outcome = asyncio.run(run.go())
        good = not outcome.problems
        if json_file:
            json_file.write_text(as_json(outcome))
        click.echo(as_markdown(outcome) if markdown else as_text(outcome))
        again = f"make chaos KILLS={kills} SEED={seed}" + (f" WORKERS={workers}" if workers != 3 else "")
        click.echo(f"\nonce more: {again}")
    finally:
        if good and not keep:
            run.place.leave()
            shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
