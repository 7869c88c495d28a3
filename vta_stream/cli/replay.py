"""`vta-stream replay`: one stage, alone, on one video."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vta_stream.settings import Settings
    from vta_stream.stream.batching import Work
    from vta_stream.stream.connection import BrokerConnection
    from vta_stream.stream.replaying import Replayed

STAGES = ("download", "transcribe", "segment", "score", "caption", "embed")

ARTIFACTS = {"score": "features"}
"""Stage -> its artifacts in the media store, where they are not called as the stage is."""


def _stage(_ctx: click.Context, _parameter: click.Parameter, name: str) -> str:
    if name == "store":
        raise click.BadParameter(
            "the store writes the dataset, where everything is once: replay another stage with --publish, or submit "
            "the video again: vta-stream submit ID"
        )
    if name not in STAGES:
        raise click.BadParameter(f"unknown agent {name!r}; there are: {', '.join(STAGES)}")
    return name


def _video_id(_ctx: click.Context, _parameter: click.Parameter, text: str) -> str:
    from vta_stream.domain.ids import VIDEO_ID
    from vta_stream.domain.request import parse_request

    if VIDEO_ID.fullmatch(text):
        return text
    try:
        return parse_request(text.encode()).video_id
    except ValueError as error:
        raise click.BadParameter(f"neither a video ID nor a URL: {error}") from error


@click.command()
@click.option("--agent", "stage", required=True, callback=_stage, metavar="NAME", help=f"One of {', '.join(STAGES)}.")
@click.option("--video", "video_id", required=True, callback=_video_id, metavar="ID", help="The video: its ID or URL.")
@click.option("--publish", is_flag=True, help="Send what comes out on, as a worker would.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, stage: str, video_id: str, publish: bool, as_json: bool) -> None:
    """Run one stage again, alone, on one video, and show what comes out.

    The inputs are what lies on the stage's topics of that video. No offset is committed, so the workers do not
    notice. Without --publish nothing is sent, the stage begins afresh, and what it writes is thrown away: try
    new settings on an old video. With --publish it works in the media store, and takes from there what it has
    finished with the same settings before; do not use it on a video that a worker has in work. The dataset
    takes nothing twice: clips of the same settings that it has are passed over.
    """
    from vta_stream.cli import configure_logging
    from vta_stream.cli.replay_report import as_rows, show
    from vta_stream.stream.discovery import NoBrokerError, find_connection

    settings: Settings = ctx.obj.settings
    configure_logging(settings.log_level)
    try:
        connection = find_connection(settings)
    except NoBrokerError as error:
        raise click.ClickException(str(error)) from error
    works = _inputs(connection, settings, stage, video_id)
    with _place(settings, stage, video_id, scratch=not publish) as (chosen, folder):
        replayed, version = _run(connection, chosen, stage, works, folder)
    published = _publish(connection, settings, replayed) if publish else 0
    if as_json:
        answer = {"stage": stage, "video_id": video_id, "pipeline_version": version, "published": published}
        click.echo(json.dumps({**answer, "inputs": as_rows(replayed)}, indent=2))
    else:
        show(replayed, stage, video_id)
        click.echo(f"{published} records sent" if publish else "Nothing was sent; --publish sends it.", err=True)
    ctx.exit(1 if any(each.failure for each in replayed) else 0)


def _inputs(connection: BrokerConnection, settings: Settings, stage: str, video_id: str) -> Sequence[Work]:
    from vta_stream.stream.advice import submit_again
    from vta_stream.stream.message import full_topic
    from vta_stream.stream.reading import ReadingError
    from vta_stream.stream.records import INPUTS
    from vta_stream.stream.replaying import find_inputs

    prefix = settings.kafka.topic_prefix
    try:
        found = find_inputs(connection, prefix, stage, video_id)
    except ReadingError as error:
        raise click.ClickException(str(error)) from error
    if not found.works:
        topics = ", ".join(full_topic(prefix, name) for name in INPUTS[stage])
        forgets = "the embedded broker forgets when its worker stops" if connection.embedded else "see its retention"
        raise click.ClickException(
            f"nothing of {video_id} is among the {found.seen_count} records on {topics} (now; {forgets}). Is the ID "
            f"right, and did it come so far? See: vta-stream dead-letters list --video {video_id}. To have it there "
            f"again: {submit_again(video_id)}"
        )
    return found.works


@contextmanager
def _place(settings: Settings, stage: str, video_id: str, *, scratch: bool) -> Iterator[tuple[Settings, Path]]:
    """The settings to work with, and a folder that is removed after the block; `scratch`: all media are in it."""
    from vta_stream.stores.linked import link_video

    # Beside the media, where links are possible and there is room.
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="replay-", dir=settings.state_dir) as name:
        chosen = settings
        if scratch:
            chosen = settings.model_copy(update={"data_dir": Path(name)})
            link_video(settings.media_dir, chosen.media_dir, video_id, without=ARTIFACTS.get(stage, stage))
        yield chosen, Path(name)


def _run(
    connection: BrokerConnection, settings: Settings, stage: str, works: Sequence[Work], folder: Path
) -> tuple[list[Replayed], str]:
    """What became of each input, and the pipeline version that made it."""
    from vta_stream.ports import StageError
    from vta_stream.settings import SettingsError
    from vta_stream.stream.replaying import run_alone
    from vta_stream.stream.topology import TopologyError, read_topology
    from vta_stream.wiring import Pipeline

    async def run() -> list[Replayed]:
        topology = await read_topology(connection, {work.message.partition.topic for work in works})
        return await run_alone(pipeline.stages([stage])[stage], works, topology, folder)

    pipeline = Pipeline(settings)
    try:
        return asyncio.run(run()), pipeline.version
    except StageError as error:
        raise click.ClickException(f"{stage} cannot start ({error.reason}): {error}") from error
    except (SettingsError, TopologyError) as error:
        raise click.ClickException(str(error)) from error


def _publish(connection: BrokerConnection, settings: Settings, replayed: Sequence[Replayed]) -> int:
    from vta_stream.stream.publishing import KafkaPublisher, PublishError

    prefix = settings.kafka.topic_prefix
    records = [record for each in replayed for record in each.outgoing(prefix)]
    try:
        KafkaPublisher(connection, prefix).send(records)
    except PublishError as error:
        raise click.ClickException(str(error)) from error
    return len(records)
