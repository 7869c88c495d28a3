"""`vta-stream query SQL`: ask the dataset while it grows."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vta_stream.settings import Settings

_ROWS_A_FETCH = 10_000
_CELL_CHARACTERS = 60
_COLUMNS_SIDE_BY_SIDE = 10


def attach_statement(settings: Settings) -> str:
    """The SQL that attaches the dataset, read-only, in any other DuckDB."""
    from vta_stream.stores.reader import attach_statement as statement

    return statement(settings)


@click.command()
@click.argument("sql")
@click.option("--json", "form", flag_value="json", help="Print one JSON object a row.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV with a header.")
@click.option("--limit", type=click.IntRange(min=0), help="Print so many rows at most [default: 100 for a table].")
@click.pass_context
def command(ctx: click.Context, sql: str, form: str | None, limit: int | None) -> None:
    """Ask the dataset in SQL (DuckDB's), read-only, while the daemon writes it.

    Tables: videos, transcripts, clips, captions, embeddings, samples, shards, dead_letters,
    pipeline_versions, offsets. Views: verdicts, scores, funnel. `-` reads the SQL from standard input.
    Long values are cut in the table, and whole with --json and --csv.

    \b
    Examples:
      vta-stream query "FROM funnel"
      vta-stream query "SELECT filter, count(*) FROM verdicts WHERE NOT keep GROUP BY filter"
      vta-stream query "DESCRIBE clips"
    """
    import duckdb

    from vta_stream.stores.reader import DatasetError, open_reader

    text = sys.stdin.read() if sql == "-" else sql
    try:
        with open_reader(ctx.obj.settings) as connection:
            _show(connection.execute(text), form, limit)
    except (DatasetError, duckdb.Error) as error:
        raise click.ClickException(str(error)) from error


def _show(result: Any, form: str | None, limit: int | None) -> None:
    names = [column[0] for column in result.description or ()]
    rows = _rows(result)
    if form == "json":
        for row in islice(rows, limit):
            click.echo(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=_plain))
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        for row in islice(rows, limit):
            writer.writerow([_text(value, "") for value in row])
    else:
        _table(names, rows, 100 if limit is None else limit)


def _rows(result: Any) -> Iterator[Sequence[Any]]:
    # By way of Arrow, because DuckDB's own conversion of times wants pytz.
    for batch in result.to_arrow_reader(_ROWS_A_FETCH):
        yield from zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns), strict=True)


def _table(names: Sequence[str], rows: Iterator[Sequence[Any]], limit: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    upright = len(names) > _COLUMNS_SIDE_BY_SIDE  # too many to stand side by side: one line a value
    for name in ("column", "value") if upright else names:
        table.add_column(Text(name), overflow="fold")
    shown = 0
    for row in islice(rows, limit):
        cells = [Text(_cell(value)) for value in row]
        for line in zip(map(Text, names), cells, strict=True) if upright else [cells]:
            table.add_row(*line)
        if upright:
            table.add_section()
        shown += 1
    # Without a terminal nothing is cut to a width that nobody has.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(table)
    more = next(rows, None) is not None
    click.echo(f"{shown} rows" + (" (there are more: --limit N, --json or --csv)" if more else ""), err=True)


def _cell(value: Any) -> str:
    text = _text(value, "NULL")
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"


def _text(value: Any, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, float):
        return f"{value:.6g}" if null else repr(value)
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
