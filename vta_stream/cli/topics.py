"""`vta-stream topics`: what the topics carry, and whether the broker keeps to it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vta_stream.settings import Settings
    from vta_stream.stream.topics import Change, Topics

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """List the topics by their contracts, compare them with the broker's, and make them match."""


@command.command("list")
@_JSON
@click.pass_context
def list_topics(ctx: click.Context, as_json: bool) -> None:
    """Show every topic's contract. The broker is not asked."""
    from vta_stream.stream.contracts import contracts

    prefix = ctx.obj.settings.kafka.topic_prefix
    if as_json:
        rows = [{"topic": contract.topic(prefix), **asdict(contract)} for contract in contracts().values()]
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("topic", "record", "partitions", "kept", "what"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "partitions" else "left")
    for contract in contracts().values():
        kept = "for ever" if contract.retention_ms < 0 else f"{contract.retention_ms / 86_400_000:g} days"
        what = contract.description.partition(". ")[0].rstrip(".")
        table.add_row(contract.topic(prefix), contract.record, str(contract.partitions), kept, what)
    Console().print(table)


@command.command()
@_JSON
@click.pass_context
def diff(ctx: click.Context, as_json: bool) -> None:
    """Show what differs between the contracts and the broker. Ends with exit code 1 if something does."""
    _, changes = _compare(ctx.obj.settings)
    if as_json:
        click.echo(json.dumps([asdict(change) for change in changes], indent=2))
    elif changes:
        click.echo("\n".join(map(str, changes)))
        click.echo("Make the broker match with: vta-stream topics apply", err=True)
    else:
        click.echo("The broker keeps all contracts.")
    ctx.exit(1 if changes else 0)


@command.command()
@_JSON
@click.pass_context
def apply(ctx: click.Context, as_json: bool) -> None:
    """Create topics, add partitions and set what the contracts say. Nothing is ever deleted or shrunk.

    Ends with exit code 1 if something differs that only a person can mend.
    """
    from vta_stream.stream.topics import TopicsError

    topics, changes = _compare(ctx.obj.settings)
    try:
        topics.apply(changes)
    except TopicsError as error:
        raise click.ClickException(str(error)) from error
    refused = [change for change in changes if change.kind == "cannot"]
    done = [change for change in changes if change.kind != "cannot"]
    if as_json:
        answer = {"done": [asdict(change) for change in done], "refused": [asdict(change) for change in refused]}
        click.echo(json.dumps(answer, indent=2))
    else:
        for change in done:
            click.echo(str(change))
        for change in refused:
            click.echo(str(change), err=True)
        if not changes:
            click.echo("The broker kept all contracts already.")
    ctx.exit(1 if refused else 0)


def _compare(settings: Settings) -> tuple[Topics, list[Change]]:
    from vta_stream.stream.discovery import NoBrokerError, find_connection
    from vta_stream.stream.topics import Topics, TopicsError

    try:
        topics = Topics(find_connection(settings), settings.kafka.topic_prefix, settings.kafka.replication_factor)
        return topics, topics.diff()
    except (NoBrokerError, TopicsError) as error:
        raise click.ClickException(str(error)) from error
