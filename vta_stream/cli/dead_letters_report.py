"""How dead letters look on a terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vta_stream.cli.printable import printable

if TYPE_CHECKING:
    from vta_stream.stream.graveyard import Grave

_CELL_CHARACTERS = 300


def show_list(graves: Sequence[Grave], counts: Counter[tuple[str, str]]) -> None:
    """Print a line each, and below them how many there are by stage and reason."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("id", "when", "stage", "reason", "video", "message"):
        table.add_column(heading, overflow="fold" if heading in ("video", "message") else "ellipsis")
    for grave in graves:
        letter = grave.letter
        when = _when(letter.failed_at_s)
        row = (grave.name, when, letter.stage, letter.reason, letter.video_id or "", letter.message)
        # Text, not markup: messages come from strangers' sites and files.
        table.add_row(*(Text(printable(cell[:_CELL_CHARACTERS])) for cell in row))
    console = Console()
    console.print(table)
    for (stage, reason), count in counts.most_common():
        console.print(printable(f"{count:8d}  {stage}: {reason}"), highlight=False, markup=False)


def explained(grave: Grave) -> str:
    """All that is known of one, and what to do."""
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
    return printable("\n".join(lines))


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")


def _pretty(value: str) -> str:
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except ValueError:
        return value
