"""The result for a person, for the README, and for a program."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from tests.faults.chaos.run import Outcome
from tests.faults.chaos.schedule import KINDS

SHOWN_MAX = 20


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """What was tried and what came out, as (what, figure)."""
    judgement, measured = outcome.judgement, outcome.measured
    killed = ", ".join(f"{count} by {cause}" for cause, count in outcome.kills.most_common())
    found = [
        ("seed, workers", f"{outcome.options.seed}, {outcome.options.workers}"),
        ("the dataset", "files on S3, catalog in Postgres" if outcome.options.in_bucket else "a folder"),
        ("seconds", f"{outcome.seconds:.0f}"),
        ("deaths of workers by kill -9", f"{outcome.kills.total()} ({killed or 'none'})"),
        ("messages published", f"{outcome.published} ({outcome.distinct} different IDs)"),
        ("videos / clips / samples in the dataset", f"{judgement.videos} / {judgement.clips} / {judgement.samples}"),
        ("shards, all read by webdataset", str(outcome.shards)),
        ("findings of verify", str(len(outcome.findings))),
        *_left(outcome),
        ("dead letters", f"{judgement.letters} ({judgement.repeated_letters} of inputs that had been sent twice)"),
        ("lost", str(judgement.count("lost"))),
        ("twice", str(judgement.count("twice"))),
        ("otherwise wrong", str(judgement.count("wrong") + judgement.count("foreign"))),
        ("dead letters of messages blamed for kills from outside", str(len(judgement.blamed))),
        ("dead letters of messages that met a full disk at every attempt", str(len(judgement.gave_up))),
    ]
    for what, seconds in sorted(measured.recoveries.items()):
        cut = measured.cut_short[what]
        text = f"median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s, of {len(seconds)}"
        found.append(
            (f"until the next commit: {what}", text + (f" ({cut} cut short by the next fault)" if cut else ""))
        )
    if measured.lines_per_s_while_away:
        found.append(
            (
                "log lines a second about the broker while it was away, at most",
                f"{max(measured.lines_per_s_while_away):.1f}",
            )
        )
    found.append(("log bytes of all workers", str(outcome.log_bytes)))
    return found


def _left(outcome: Outcome) -> list[tuple[str, str]]:
    what = "table files of commits that were cut off, removed after a day"
    return [(what, str(outcome.files_of_cut_off_commits))] if outcome.options.in_bucket else []


def tried(outcome: Outcome) -> list[tuple[str, str, int]]:
    """(kind, in words, how often)."""
    done = outcome.measured.done
    found = [
        (kind.name, kind.text, done[kind.name])
        for kind in KINDS.values()
        if outcome.options.in_bucket or not kind.elsewhere
    ]
    return found + [("", f"…{name}", count) for name, count in sorted(done.items()) if name not in KINDS]


def as_text(outcome: Outcome) -> str:
    """For a terminal."""
    lines = [f"  {text:<82}{count:>6}" for _, text, count in tried(outcome)]
    lines += ["", *(f"  {what:<64}{figure}" for what, figure in rows(outcome))]
    lines += _section("workers that ended by themselves", outcome.other_ends.most_common())
    lines += _section("tracebacks in the logs", outcome.tracebacks.most_common())
    if outcome.problems:
        lines += ["", f"{len(outcome.problems)} problems:"]
        lines += [f"  {problem}" for problem in outcome.problems[:SHOWN_MAX]]
        lines += [f"everything of this run is in {outcome.place.folder}:", *_where_to_look()]
    else:
        lines += ["", "nothing lost, nothing twice"]
    return "\n".join(lines)


def _section(title: str, counted: list[tuple[str, int]]) -> list[str]:
    if not counted:
        return []
    return ["", f"  {title}:", *(f"  {count:>6} x {text[:150]}" for text, count in counted[:SHOWN_MAX])]


def _where_to_look() -> list[str]:
    return [
        "  events.log     what was done to it, and who died of what",
        "  logs/          what the workers said (grep for the ID)",
        '  data/dataset   the dataset: vta-stream -s settings.yaml query "FROM dead_letters"',
        "  kafka/         the broker's log and data",
    ]


def as_markdown(outcomes: Sequence[Outcome]) -> str:
    """For the README: a column a run."""
    done = [{text: str(count) for name, text, count in tried(outcome) if name} for outcome in outcomes]
    came = [dict(rows(outcome)) for outcome in outcomes]
    return "\n".join([*_table("what was done to it, how often", done), "", *_table("what came out", came)])


def _table(title: str, columns: Sequence[dict[str, str]]) -> list[str]:
    texts = list(dict.fromkeys(text for column in reversed(columns) for text in column))
    lines = [f"| {title} |" + " |" * len(columns), "|---|" + "---|" * len(columns)]
    return lines + [f"| {text} | " + " | ".join(column.get(text, "-") for column in columns) + " |" for text in texts]


def as_json(outcomes: Sequence[Outcome]) -> str:
    """For a program: a list of runs."""
    return json.dumps([_facts(outcome) for outcome in outcomes], indent=1)


def _facts(outcome: Outcome) -> dict[str, Any]:
    judgement, measured = outcome.judgement, outcome.measured
    return {
        "seed": outcome.options.seed,
        "workers": outcome.options.workers,
        "in_bucket": outcome.options.in_bucket,
        "findings": outcome.findings,
        "files_of_cut_off_commits": outcome.files_of_cut_off_commits,
        "seconds": round(outcome.seconds, 1),
        "faults": {kind: count for kind, _, count in tried(outcome) if kind},
        "kills": dict(outcome.kills),
        "published": outcome.published,
        "distinct": outcome.distinct,
        "videos": judgement.videos,
        "clips": judgement.clips,
        "samples": judgement.samples,
        "shards": outcome.shards,
        "dead_letters": judgement.letters,
        **{kind: judgement.count(kind) for kind in ("lost", "twice", "wrong", "foreign")},
        "repeated_letters": judgement.repeated_letters,
        "blamed": judgement.blamed,
        "gave_up": judgement.gave_up,
        "recoveries_s": {what: [round(s, 2) for s in found] for what, found in measured.recoveries.items()},
        "cut_short": dict(measured.cut_short),
        "lines_per_s_while_away": [round(value, 2) for value in measured.lines_per_s_while_away],
        "other_ends": dict(outcome.other_ends),
        "tracebacks": dict(outcome.tracebacks),
        "problems": outcome.problems,
    }
