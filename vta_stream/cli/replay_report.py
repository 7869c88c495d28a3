"""How a replay looks: on a terminal, and as JSON."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vta_stream.cli.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from vta_stream.domain.clip import Clip
    from vta_stream.stream.dead_letters import Failure
    from vta_stream.stream.replaying import Replayed

_TEXT_CHARACTERS = 400


def as_rows(replayed: Sequence[Replayed]) -> list[dict[str, Any]]:
    """One row an input, with its emissions whole."""
    from vta_stream.stream.codec import encode

    rows = []
    for each in replayed:
        message = each.work.message
        rows.append(
            {
                "topic": message.origin.topic,
                "partition": message.partition.number,
                "offset": message.offset,
                "clip_id": each.clip_id,
                "emissions": [
                    {"topic": emission.topic, "record": json.loads(encode(emission.topic, emission.record))}
                    for emission in each.emissions
                ],
                "failure": _failure_row(each.failure) if each.failure else None,
            }
        )
    return rows


def show(replayed: Sequence[Replayed], stage: str, video_id: str) -> None:
    """Print what came out of each input, and a summary."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for each in replayed:
        message = each.work.message
        place = f"{message.origin.topic} {message.partition.number}:{message.offset}"
        console.print(f"{place}  {each.clip_id or video_id}", style="bold")
        if each.failure:
            _show_failure(each.failure, console)
        for emission in each.emissions:
            console.print(f"  -> {emission.topic}", style="green" if not _refused(emission.record) else "yellow")
            if _is_clip(emission.record):
                _show_clip(emission.record, console)
            else:
                _show_record(emission.topic, emission.record, console)
        if not each.failure and not each.emissions:
            console.print("  nothing came out, and nothing failed")
    failures = sum(1 for each in replayed if each.failure)
    records = sum(len(each.emissions) for each in replayed)
    console.print(f"{stage}: {len(replayed)} inputs, {records} records out, {failures} failures", style="bold")


def _failure_row(failure: Failure) -> dict[str, Any]:
    from vta_stream.stream.advice import advice_for

    trace = "".join(traceback.format_exception(failure.error)) if failure.error else None
    advice = advice_for(failure.kind, failure.reason)
    return {
        "kind": failure.kind,
        "reason": failure.reason,
        "message": failure.text,
        "traceback": trace,
        "advice": advice,
    }


def _show_failure(failure: Failure, console: Console) -> None:
    row = _failure_row(failure)
    console.print(printable(f"  failed: {row['reason']} ({row['kind']}): {row['message']}"), style="red")
    console.print(f"  what now: {row['advice']}")
    if row["traceback"]:
        console.print(printable(_indented(row["traceback"])))


def _is_clip(record: object) -> bool:
    from vta_stream.domain.clip import Clip

    return isinstance(record, Clip)


def _refused(record: Any) -> bool:
    return _is_clip(record) and not record.accepted


def _show_clip(clip: Any, console: Console) -> None:
    lines = [
        ("span", f"{clip.span.start_s:.2f} to {clip.span.end_s:.2f} s, clip {clip.index + 1} of {clip.clip_count}"),
        ("text", _cut(clip.text) or "(nobody speaks)"),
        ("scores", ", ".join(f"{name} {value:.4g}" for name, value in sorted(clip.scores.values.items()))),
        *(("not scored", f"{name}: {why}") for name, why in sorted(clip.scores.failures.items())),
        *(("caption", f"{each.captioner}: {_cut(each.text)}{_match(each.match)}") for each in clip.captions),
    ]
    _show_lines(lines, console)
    _show_verdicts(clip, console)


def _show_verdicts(clip: Clip, console: Console) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if not clip.verdicts:
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("filter", "verdict", "value", "limit", "reason"):
        table.add_column(heading, justify="right" if heading in ("value", "limit") else "left")
    for verdict in clip.verdicts:
        word = Text("keep", style="green") if verdict.keep else Text("reject", style="red")
        numbers = (Text("" if each is None else f"{each:.4g}") for each in (verdict.value, verdict.limit))
        table.add_row(Text(verdict.filter), word, *numbers, Text(printable(verdict.reason)))
    console.print(Padding(table, (0, 0, 0, 5)))


def _show_record(topic: str, record: object, console: Console) -> None:
    """Any other record, field by field."""
    from vta_stream.stream.codec import encode

    fields = json.loads(encode(topic, record))
    _show_lines([(name, _cut(json.dumps(value, ensure_ascii=False))) for name, value in fields.items()], console)


def _show_lines(lines: Iterable[tuple[str, str]], console: Console) -> None:
    for name, text in lines:
        if text:
            console.print(printable(f"     {name:<11} {text}"))


def _match(value: float | None) -> str:
    return "" if value is None else f" (match {value:.3f})"


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}…"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
