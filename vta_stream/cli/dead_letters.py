"""`vta-stream dead-letters`: what failed, why, and once more."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
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
        click.option("--video", help="Only those of this video ID."),
        click.option("--reason", help="Only those for this reason."),
        click.option("--stage", help="Only those of this stage."),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """List, explain and retry the inputs that failed for good."""


@command.command("list")
@_selection
@click.option("--limit", default=50, show_default=True, help="The newest so many.")
@_JSON
@click.pass_context
def list_letters(
    ctx: click.Context, stage: str | None, reason: str | None, video: str | None, limit: int, as_json: bool
) -> None:
    """List the newest, and count them all by stage and reason."""
    wanted = Wanted(stage, reason, video)
    counts: Counter[tuple[str, str]] = Counter()
    newest: list[tuple[float, int, int, Grave]] = []
    for grave in filter(wanted.takes, _graves(ctx.obj.settings)):
        counts[grave.letter.stage, grave.letter.reason] += 1
        heapq.heappush(newest, (grave.letter.failed_at_s, grave.partition, grave.offset, grave))
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
        _show_list(graves, counts)


@command.command()
@click.argument("which", nargs=-1, required=True, metavar="ID...")
@_JSON
@click.pass_context
def show(ctx: click.Context, which: tuple[str, ...], as_json: bool) -> None:
    """Explain dead letters by the IDs that `list` shows, or all of a video by the video's ID."""
    graves = _named(which, ctx.obj.settings)
    if as_json:
        rows = [{"id": grave.name, **asdict(grave.letter), "advice": grave.advice} for grave in graves]
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("\n\n".join(map(_explained, graves)))


@command.command()
@click.argument("which", nargs=-1, metavar="[ID...]")
@_selection
@click.option("--all", "everything", is_flag=True, help="All that the other options leave.")
@click.option("--force", is_flag=True, help="Send inputs too that cannot be read.")
@_JSON
@click.pass_context
def retry(
    ctx: click.Context,
    which: tuple[str, ...],
    stage: str | None,
    reason: str | None,
    video: str | None,
    everything: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Send inputs to the topic they came from again, as first attempts.

    Name them by ID, or choose by --stage, --reason and --video, or say --all. The dead letters stay where they
    are; the dataset's row of a video follows what became of it last.
    """
    from vta_stream.stream.graveyard import GraveyardError
    from vta_stream.stream.publishing import KafkaPublisher, PublishError

    settings: Settings = ctx.obj.settings
    wanted = Wanted(stage, reason, video)
    chosen = everything or wanted != Wanted(None, None, None)
    if bool(which) == chosen:
        raise click.UsageError("name dead letters by ID, or choose by --stage, --reason, --video or --all")
    graves = _named(which, settings) if which else filter(wanted.takes, _graves(settings))
    publisher = KafkaPublisher(_connection(settings), settings.kafka.topic_prefix)
    sent: list[str] = []
    refused: list[str] = []
    for grave in graves:
        try:
            if not force:
                grave.check_input()
            publisher.send([grave.again(settings.kafka.topic_prefix)])
            sent.append(grave.name)
        except GraveyardError as error:
            refused.append(str(error))
        except PublishError as error:
            raise click.ClickException(f"{error} ({len(sent)} were sent before)") from error
    if as_json:
        click.echo(json.dumps({"sent": sent, "refused": refused}, indent=2))
    else:
        for why in refused:
            click.echo(f"refused {why}", err=True)
        click.echo(f"{len(sent)} inputs sent again")
    ctx.exit(1 if refused else 0)


def _connection(settings: Settings) -> BrokerConnection:
    from vta_stream.stream.discovery import NoBrokerError, find_connection

    try:
        return find_connection(settings)
    except NoBrokerError as error:
        remedy = "The dataset keeps them too: vta-stream query 'FROM dead_letters'"
        raise click.ClickException(f"{error}. {remedy}") from error


def _graves(settings: Settings) -> Iterator[Grave]:
    from vta_stream.stream.graveyard import GraveyardError, read_graves

    try:
        for grave in read_graves(_connection(settings), settings.kafka.topic_prefix):
            if isinstance(grave, GraveyardError):
                click.echo(f"passed over {grave}", err=True)
            else:
                yield grave
    except GraveyardError as error:
        raise click.ClickException(str(error)) from error


def _named(which: tuple[str, ...], settings: Settings) -> list[Grave]:
    found = [grave for grave in _graves(settings) if grave.name in which or grave.letter.video_id in which]
    known = {grave.name for grave in found} | {grave.letter.video_id for grave in found}
    missing = [name for name in which if name not in known]
    if missing:
        raise click.ClickException(f"no dead letter is called {', '.join(missing)}; see: vta-stream dead-letters list")
    return sorted(found, key=lambda grave: grave.letter.failed_at_s)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")


def _show_list(graves: list[Grave], counts: Counter[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("id", "when", "stage", "reason", "video", "message"):
        table.add_column(heading, overflow="fold" if heading in ("video", "message") else "ellipsis")
    for grave in graves:
        letter = grave.letter
        row = (
            grave.name,
            _when(letter.failed_at_s),
            letter.stage,
            letter.reason,
            letter.video_id or "",
            letter.message,
        )
        # Text, not markup: messages come from strangers' sites and files.
        table.add_row(*(Text(cell[:300]) for cell in row))
    console = Console()
    console.print(table)
    for (stage, reason), count in counts.most_common():
        console.print(f"{count:8d}  {stage}: {reason}", highlight=False, markup=False)


def _explained(grave: Grave) -> str:
    letter = grave.letter
    lines = [
        f"dead letter {grave.name}, {_when(letter.failed_at_s)}",
        f"  stage     {letter.stage}, attempt {letter.attempt}",
        f"  video     {letter.video_id or 'unknown'}" + (f", clip {letter.clip_id}" if letter.clip_id else ""),
        f"  came from {letter.topic}, partition {letter.partition}, offset {letter.offset}, key {letter.key!r}",
        f"  reason    {letter.reason} ({letter.kind})",
        f"  message   {letter.message}",
        f"  what now  {grave.advice}",
        f"  retry     vta-stream dead-letters retry {grave.name}",
        "  input" + (" (base64, since it is no UTF-8)" if letter.value_base64 else ""),
        *(f"    {line}" for line in _pretty(letter.value).splitlines()),
    ]
    if letter.traceback:
        lines += ["  traceback", *(f"    {line}" for line in letter.traceback.splitlines())]
    return "\n".join(_plain(line) for line in lines)


def _pretty(value: str) -> str:
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except ValueError:
        return value


def _plain(line: str) -> str:
    """Without control characters: what strangers wrote must not steer the reader's terminal."""
    return "".join(character if character.isprintable() or character == "\t" else "�" for character in line)
