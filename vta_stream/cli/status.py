"""`vta-stream status`: the funnel, the lag and the rates."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vta_stream.status import Status


@click.command()
@click.option("--watch", is_flag=True, help="Show it anew every second until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def command(ctx: click.Context, watch: bool, as_json: bool) -> None:
    """Show how many videos and clips came how far, and what each stage does now."""
    from rich.console import Console
    from rich.live import Live

    from vta_stream.status import read_status

    settings = ctx.obj.settings
    if as_json:
        click.echo(json.dumps(asdict(read_status(settings)), indent=2))
        return
    if not watch:
        Console().print(render(read_status(settings)))
        return
    try:
        with Live(render(read_status(settings)), auto_refresh=False) as live:
            while True:
                time.sleep(1)
                live.update(render(read_status(settings)), refresh=True)
    except KeyboardInterrupt:
        return


def render(status: Status) -> RenderableType:
    """The status as two tables side by side, and the notes below them."""
    from rich.columns import Columns
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    funnel = Table(title="dataset", box=None, title_justify="left")
    funnel.add_column("step")
    funnel.add_column("count", justify="right")
    for step, count in status.funnel.items():
        funnel.add_row(step, f"{count:,}")
    stages = Table(title="stages", box=None, title_justify="left")
    stages.add_column("stage")
    for heading in ("lag", "in work", "oldest s", "finished", "a minute", "retries", "dead letters"):
        stages.add_column(heading, justify="right")
    for row in status.stages:
        numbers = (row.lag, row.in_progress, row.oldest_s, row.finished, row.per_minute, row.retries, row.dead_letters)
        stages.add_row(row.stage, *(f"{number:,.0f}" for number in numbers))
    return Group(Columns([stages, funnel], padding=(0, 4)), *(Text(note, style="yellow") for note in status.notes))
