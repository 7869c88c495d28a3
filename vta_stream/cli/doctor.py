"""`vta-stream doctor`: what is wrong here, and the command or setting that mends it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vta_stream.checks import Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check the broker, ffmpeg, the models, the JavaScript runtime, the disk and the catalog.

    Ends with exit code 1 if something is broken; a warning alone does not.
    """
    from vta_stream.checks import run_checks

    findings = list(run_checks(ctx.obj.settings))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    sys.exit(1 if any(finding.state == "broken" for finding in findings) else 0)


def _show(findings: list[Finding]) -> None:
    """A line each, and below it what mends it, in one piece whatever the terminal's width: it may be a command."""
    from rich.console import Console
    from rich.text import Text

    styles = {"good": "green", "warning": "yellow", "broken": "red"}
    console = Console()
    for finding in findings:
        state, subject = Text(f"{finding.state:9}", styles[finding.state]), Text(finding.subject, "bold")
        console.print(Text.assemble(state, subject, f": {finding.message}"), soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"{'':9}  -> {finding.remedy}"), soft_wrap=True)
