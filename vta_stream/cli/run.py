"""`vta-stream run`: the worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vta_stream.settings import Settings
    from vta_stream.stream.connection import BrokerConnection

AGENTS = ("download", "transcribe", "segment", "score", "caption", "embed", "store")


def _chosen(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",")) if text else AGENTS
    for name in names:
        if name not in AGENTS:
            raise click.BadParameter(f"unknown agent {name!r}; there are: {', '.join(AGENTS)}")
    return names


@click.command()
@click.option("--agents", callback=_chosen, metavar="A,B,…", help=f"Agents to run: {', '.join(AGENTS)}. Default: all.")
@click.pass_context
def command(ctx: click.Context, agents: tuple[str, ...]) -> None:
    """Run the agents in this process until Ctrl-C.

    Without kafka.bootstrap_servers an embedded broker is started, good for one machine; its address is
    printed, and the other commands find it by the data folder. With a broker, topics that are missing are
    made; run as many workers on as many machines as you like.
    """
    from vta_stream.cli import configure_logging
    from vta_stream.settings import SettingsError
    from vta_stream.stream.embedded import EmbeddedBrokerError
    from vta_stream.stream.topics import TopicsError
    from vta_stream.stream.worker import leave, run_worker
    from vta_stream.wiring import Pipeline

    settings = ctx.obj.settings
    configure_logging(settings.log_level)
    pipeline = Pipeline(settings)
    try:
        stages = pipeline.stages(agents)
        with _broker(settings) as connection:
            code = run_worker(stages, settings, connection, pipeline_version=pipeline.version)
    except (SettingsError, EmbeddedBrokerError, TopicsError) as error:
        raise click.ClickException(str(error)) from error
    leave(code)


@contextmanager
def _broker(settings: Settings) -> Iterator[BrokerConnection]:
    """The broker of the settings with all topics made, or the embedded one with its journal at work."""
    from vta_stream.stores.reader import ended_videos
    from vta_stream.stream.connection import BrokerConnection
    from vta_stream.stream.embedded import EmbeddedBroker
    from vta_stream.stream.journal import Journal, journal_file
    from vta_stream.stream.journal_keeper import JournalKeeper
    from vta_stream.stream.topics import Topics

    prefix = settings.kafka.topic_prefix
    if settings.kafka.bootstrap_servers:
        connection = BrokerConnection.from_settings(settings.kafka)
        topics = Topics(connection, prefix, settings.kafka.replication_factor)
        topics.apply([change for change in topics.diff() if change.kind == "create"])
        yield connection
        return
    with EmbeddedBroker(settings.state_dir, prefix) as connection:
        click.echo(f"embedded broker on {connection.bootstrap_servers}, topic {prefix}.videos", err=True)
        keeper = JournalKeeper(
            Journal(journal_file(settings.data_dir)),
            connection,
            prefix,
            lambda ids: ended_videos(settings, list(ids)),
        )
        keeper.start()
        try:
            yield connection
        finally:
            keeper.stop()
