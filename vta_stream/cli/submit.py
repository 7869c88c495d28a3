"""`vta-stream submit`: publish video IDs, URLs, files and folders."""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vta_stream.domain.video import VideoRequest
    from vta_stream.settings import Settings

BATCH = 500
BATCH_WAIT_S = 0.3
VIDEO_SUFFIXES = frozenset({
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
    ".vob", ".webm", ".wmv",
})  # fmt: skip


@dataclass
class Tally:
    """What became of the inputs."""

    published: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


class IdFriendly(click.Command):
    """One YouTube ID in 64 begins with a dash; it is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move such IDs behind a `--`, where click takes them for what they are."""
        from vta_stream.domain.ids import YOUTUBE_ID

        options = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        end = args.index("--") if "--" in args else len(args)
        dashed = [
            text for text in args[:end] if text.startswith("-") and YOUTUBE_ID.fullmatch(text) and text not in options
        ]
        rest = [text for text in args[:end] if text not in dashed]
        return super().parse_args(ctx, [*rest, "--", *dashed, *args[end + 1 :]])


@click.command(cls=IdFriendly)
@click.argument("what", nargs=-1, required=True)
@click.option("--priority", type=int, help="Higher goes first among the requests that wait; the default is 0.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Copied to the dataset; may be repeated.")
@click.option("--language", help="Spoken language as a BCP 47 tag (en, pt-BR), instead of detecting it.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    what: tuple[str, ...],
    priority: int | None,
    labels: tuple[str, ...],
    language: str | None,
    as_json: bool,
) -> None:
    """Publish WHAT: YouTube IDs, URLs, video files, folders (all videos in them), or - for one a line on stdin.

    A line on stdin may also be JSON with options. What cannot be a request is named and left out, and the
    exit code is then 1. The command returns when all others are safe with the broker, or in the journal.
    """
    from vta_stream.stream.publishing import PublishError, publisher_for

    settings: Settings = ctx.obj.settings
    options = Options(priority, _labels(labels), language)
    tally = Tally()
    try:
        publisher = publisher_for(settings)
        with _Count(not as_json) as advance:
            for batch in _batches(_expand(what, tally)):
                requests = list(_requests(batch, options, tally))
                publisher.publish(requests)
                tally.published += len(requests)
                advance(len(requests))
                _warn_of_files(requests, settings)
    except PublishError as error:
        raise click.ClickException(f"{error} ({tally.published} were published before)") from error
    if as_json:
        refused = [{"input": text, "error": why} for text, why in tally.refused]
        answer = {"published": tally.published, "refused": refused, "to": publisher.place}
        click.echo(json.dumps(answer, indent=2))
    else:
        for text, why in tally.refused[:20]:
            click.echo(f"refused {text[:200]!r}: {why}", err=True)
        if len(tally.refused) > 20:
            click.echo(f"… and {len(tally.refused) - 20} more", err=True)
        click.echo(f"{tally.published} requests published to {publisher.place}")
    ctx.exit(1 if tally.refused else 0)


@dataclass(frozen=True)
class Options:
    """What the command line says of all requests; it wins over what a line of JSON says."""

    priority: int | None
    labels: dict[str, str]
    language: str | None

    def applied(self, request: VideoRequest) -> VideoRequest:
        """The request with these options. ValueError if one of them is not possible."""
        from vta_stream.domain.request import parse_request, request_value

        changed = replace(
            request,
            priority=request.priority if self.priority is None else self.priority,
            labels={**request.labels, **self.labels},
            language=request.language if self.language is None else self.language,
        )
        return parse_request(request_value(changed))


def _labels(texts: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, found[key] = text.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--label")
    return found


def _expand(what: Iterable[str], tally: Tally) -> Iterator[str]:
    """Texts for `parse_request`: files become file URLs, folders the files in them, `-` the lines of stdin."""
    from vta_stream.domain.ids import YOUTUBE_ID

    for text in what:
        path = Path(text)
        if text == "-":
            yield from (line for line in sys.stdin if line.strip())
        elif YOUTUBE_ID.fullmatch(text) and path.exists():
            tally.refused.append((text, f"a YouTube ID, or what lies here under that name? For that, write ./{text}"))
        elif YOUTUBE_ID.fullmatch(text) or "://" in text or text.lstrip().startswith("{"):
            yield text
        elif path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and _is_video(file))
            if not files:
                tally.refused.append((text, "a folder without videos"))
            yield from (file.resolve().as_uri() for file in files)
        elif path.is_file() and _is_video(path):
            yield path.resolve().as_uri()
        elif path.is_file():
            tally.refused.append((text, f"not a video by its name; a list is read with: vta-stream submit - < {text}"))
        else:
            yield text  # parse_request says what is wrong with it


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def _batches(texts: Iterator[str]) -> Iterator[list[str]]:
    """Helpings of at most BATCH; a slow pipe (`tail -f`) yields what is there after BATCH_WAIT_S."""
    waiting: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=4 * BATCH)

    def read() -> None:
        try:
            for text in texts:
                waiting.put(text)
            waiting.put(None)
        except (OSError, ValueError) as error:  # stdin broke, or is no UTF-8
            waiting.put(error)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    batch: list[str] = []
    while True:
        try:
            item = waiting.get(timeout=BATCH_WAIT_S if batch else None)
        except queue.Empty:
            yield batch
            batch = []
            continue
        if isinstance(item, str):
            batch.append(item)
        if batch and (len(batch) == BATCH or not isinstance(item, str)):
            yield batch
            batch = []
        if isinstance(item, BaseException):
            raise click.ClickException(f"the input cannot be read: {item}") from item
        if item is None:
            return


def _requests(texts: Iterable[str], options: Options, tally: Tally) -> Iterator[VideoRequest]:
    from vta_stream.domain.request import parse_request

    for text in texts:
        try:
            yield options.applied(parse_request(text.encode("utf-8", "surrogateescape")))
        except ValueError as error:
            tally.refused.append((text.strip(), str(error)))


class _Count:
    """A count on a terminal's stderr once there are many; nothing elsewhere."""

    def __init__(self, wanted: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.completed} published"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not (wanted and console.is_terminal))
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> _Count:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, count: int) -> None:
        self._bar.advance(self._task, count)


def _warn_of_files(requests: Iterable[VideoRequest], settings: Settings) -> None:
    if not settings.download.file_roots and any(request.source == "file" for request in requests):
        click.echo(
            "These settings allow no files, so they would end as dead letters: set download.file_roots to the folders "
            "under which files may be taken.",
            err=True,
        )
