"""`vta-stream dead-letters`: what failed, why, and once more."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vta_stream.settings import Settings
    from vta_stream.stream.connection import BrokerConnection
    from vta_stream.stream.graveyard import Grave

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True)
class Wanted:
    """Which dead letters are meant; None means all."""

    stage: str | None
    reason: str | None
    video: str | None

    def takes(self, grave: Grave) -> bool:
        """True if this one is meant."""
        letter = grave.letter
        return (
            self.stage in (None, letter.stage)
            and self.reason in (None, letter.reason)
            and self.video in (None, letter.video_id)
        )


def _selection(function: Any) -> Any:
    for option in (
        click.option("--dataset", is_flag=True, help="Those of the dataset, which never forgets, not the topic's."),
        click.option("--video", help="Only those of this video ID."),
        click.option("--reason", help="Only those for this reason."),
        click.option("--stage", help="Only those of this stage."),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """List, explain and retry the inputs that failed for good.

    They lie on the topic dead-letters, and are read there. The topic forgets: Kafka's after its retention (90
    days), the embedded broker's when its worker stops. The dataset has them all, a few seconds later: it is read
    when no broker runs, when --dataset is given, and for IDs that the topic does not have (those begin with d).
    """


@command.command("list")
@_selection
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=0), help="The newest so many.")
@_JSON
@click.pass_context
def list_letters(
    ctx: click.Context,
    stage: str | None,
    reason: str | None,
    video: str | None,
    dataset: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List the newest, and count them all by stage and reason."""
    from vta_stream.cli.dead_letters_report import show_list

    settings = ctx.obj.settings
    found = _graves(settings, None if dataset else _connection(settings))
    counts: Counter[tuple[str, str]] = Counter()
    newest: list[tuple[float, int, Grave]] = []
    for number, grave in enumerate(filter(Wanted(stage, reason, video).takes, found)):
        counts[grave.letter.stage, grave.letter.reason] += 1
        heapq.heappush(newest, (grave.letter.failed_at_s, number, grave))
        if len(newest) > limit:
            heapq.heappop(newest)
    graves = [grave for *_, grave in sorted(newest, reverse=True)]
    if as_json:
        rows = [{"stage": stage, "reason": reason, "count": count} for (stage, reason), count in counts.most_common()]
        letters = [{"id": grave.name, **asdict(grave.letter)} for grave in graves]
        click.echo(json.dumps({"counts": rows, "dead_letters": letters}, indent=2))
    elif not counts:
        click.echo("No dead letters.")
    else:
        show_list(graves, counts)


@command.command()
@click.argument("which", nargs=-1, required=True, metavar="ID...")
@_JSON
@click.pass_context
def show(ctx: click.Context, which: tuple[str, ...], as_json: bool) -> None:
    """Explain dead letters by the IDs that `list` shows, or all of a video by the video's ID."""
    from vta_stream.cli.dead_letters_report import explained

    settings = ctx.obj.settings
    graves = _named(which, settings, _connection(settings))
    if as_json:
        rows = [{"id": grave.name, **asdict(grave.letter), "advice": grave.advice} for grave in graves]
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("\n\n".join(map(explained, graves)))


@command.command()
@click.argument("which", nargs=-1, metavar="[ID...]")
@_selection
@click.option("--all", "everything", is_flag=True, help="All that the other options leave.")
@_JSON
@click.pass_context
def retry(
    ctx: click.Context,
    which: tuple[str, ...],
    stage: str | None,
    reason: str | None,
    video: str | None,
    dataset: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Publish the videos of dead letters again, as first attempts.

    Name them by ID, or choose by --stage, --reason and --video, or say --all. Whatever stage failed, it starts
    from the request, since the media of a failed video are gone; what the dataset holds already is not added
    again. The dead letters stay where they are; the dataset's row of a video follows what became of it last.
    """
    settings: Settings = ctx.obj.settings
    wanted = Wanted(stage, reason, video)
    if bool(which) == (everything or wanted != Wanted(None, None, None)) or (which and dataset):
        raise click.UsageError("name dead letters by ID, or choose by --stage, --reason, --video or --all")
    connection = _connection(settings)
    if which:
        graves: Iterator[Grave] = iter(_named(which, settings, connection))
    else:
        graves = filter(wanted.takes, _graves(settings, None if dataset else connection))
    sent, refused = _resend(graves, settings)
    if as_json:
        click.echo(json.dumps({"sent": sent, "refused": refused}, indent=2))
    else:
        for why in refused:
            click.echo(f"refused {why}", err=True)
        click.echo(f"{len(sent)} videos published again")
    ctx.exit(1 if refused else 0)


def _resend(graves: Iterator[Grave], settings: Settings) -> tuple[list[str], list[str]]:
    """The names of those that were sent, and why each of the others was not."""
    from vta_stream.stores.letters import stored_request
    from vta_stream.stores.reader import DatasetError
    from vta_stream.stream.graveyard import GraveyardError
    from vta_stream.stream.publishing import PublishError, publisher_for

    publisher = publisher_for(settings)
    sent: list[str] = []
    refused: list[str] = []
    for grave in graves:
        try:
            publisher.publish([grave.request(lambda video_id: stored_request(settings, video_id))])
            sent.append(grave.name)
        except (GraveyardError, DatasetError) as error:
            refused.append(str(error))
        except PublishError as error:
            raise click.ClickException(f"{error} ({len(sent)} were sent before)") from error
    if sent:
        click.echo(f"sent to {publisher.place}", err=True)
    return sent, refused


def _connection(settings: Settings) -> BrokerConnection | None:
    """The broker, None (and a line that says so) if none runs."""
    from vta_stream.stream.discovery import NoBrokerError, find_connection

    try:
        return find_connection(settings)
    except NoBrokerError as error:
        click.echo(f"These are the dataset's dead letters: {error}.", err=True)
        return None


def _graves(settings: Settings, connection: BrokerConnection | None) -> Iterator[Grave]:
    """Those on the topic; without a connection, those of the dataset."""
    from vta_stream.stores.letters import stored_letters
    from vta_stream.stores.reader import DatasetError
    from vta_stream.stream.graveyard import GraveyardError, graves_of, read_graves

    try:
        if connection is None:
            yield from graves_of(stored_letters(settings))
            return
        for grave in read_graves(connection, settings.kafka.topic_prefix):
            if isinstance(grave, GraveyardError):
                click.echo(f"passed over {grave}", err=True)
            else:
                yield grave
    except GraveyardError as error:
        raise click.ClickException(f"{error}. The dataset keeps them too: --dataset") from error
    except DatasetError as error:
        raise click.ClickException(str(error)) from error


def _named(which: tuple[str, ...], settings: Settings, connection: BrokerConnection | None) -> list[Grave]:
    """Those with these names, the topic's first, and for names that it does not have, the dataset's."""
    found = [grave for grave in _graves(settings, connection) if grave.called(which)]
    missing = _missing(which, found)
    if missing and connection is not None and settings.dataset_dir.exists():
        found += [grave for grave in _graves(settings, None) if grave.called(missing)]
        missing = _missing(which, found)
    if missing:
        raise click.ClickException(f"no dead letter is called {', '.join(missing)}; see: vta-stream dead-letters list")
    return sorted(found, key=lambda grave: grave.letter.failed_at_s)


def _missing(which: tuple[str, ...], found: list[Grave]) -> list[str]:
    known = {grave.name for grave in found} | {grave.letter.video_id for grave in found}
    return [name for name in which if name not in known]
