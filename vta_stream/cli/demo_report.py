"""What the demo tells at its end: the dataset beside the planted truth, as figures and on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from vta_stream.report.dataset import ShownDataset
    from vta_stream.settings import Settings
    from vta_stream.toyworld.evaluation.decisions import Decisions
    from vta_stream.toyworld.world.truth import CorpusTruth

SHARDS = (
    "SELECT layout, split, state, count(*), sum(sample_count), sum(data_bytes) FROM shards GROUP BY ALL ORDER BY ALL"
)
SHARD_KEYS = ("layout", "split", "state", "shards", "samples", "bytes")
WHY = "SELECT text, reason FROM verdicts JOIN clips USING (clip_id) WHERE NOT keep LIMIT 5"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a corpus: the dataset, and how its decisions compare with the truth.

    `names` maps video IDs to the names of the truth; `shards` are rows of `SHARD_KEYS`.
    """

    truth: CorpusTruth
    names: Mapping[str, str]
    dataset: ShownDataset
    decisions: Decisions
    shards: tuple[dict[str, Any], ...]


def read_outcome(settings: Settings, truth: CorpusTruth, urls: Mapping[str, str]) -> Outcome:
    """Read the dataset of the corpus whose videos were published as `urls` (URL -> name), and judge it."""
    from vta_stream.domain.ids import video_id_of_url
    from vta_stream.report.dataset import read_dataset
    from vta_stream.stores.reader import open_reader
    from vta_stream.toyworld.evaluation.clip_truth import ClipRow
    from vta_stream.toyworld.evaluation.decisions import VideoRow, judge_decisions

    with open_reader(settings) as lake:
        dataset = read_dataset(lake)
        shards = lake.execute(SHARDS).fetchall()
    names = {video_id_of_url(url): name for url, name in urls.items()}
    videos = [VideoRow(names[one.video_id], one.status, one.reason) for one in dataset.videos]
    clips = [
        ClipRow(
            one.clip_id,
            names[one.video_id],
            one.span.start_s,
            one.span.end_s,
            one.text,
            one.accepted,
            tuple(verdict.filter for verdict in one.refusals),
        )
        for one in dataset.clips
    ]
    decisions = judge_decisions(truth, videos, clips, settings.segment.padding_s)
    return Outcome(truth, names, dataset, decisions, tuple(dict(zip(SHARD_KEYS, row, strict=True)) for row in shards))


def figures_of(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """For `--json`: `precision`, `recall`, `border_error_s` and `detection` first, then what was counted."""
    dataset = outcome.dataset
    defects = {video.name: video.defect for video in outcome.truth.videos}
    ended = [one for one in dataset.videos if one.status in ("done", "failed")]
    failed = {outcome.names[one.video_id]: one.reason for one in ended if one.status == "failed"}
    by_defect: dict[str, dict[str, int]] = {}
    for video in outcome.truth.videos:
        entry = by_defect.setdefault(video.defect.value, {"videos": 0, "failed": 0, "clips": 0, "accepted": 0})
        entry["videos"] += 1
    for name in failed:
        by_defect[defects[name]]["failed"] += 1
    for clip in dataset.clips:
        entry = by_defect[defects[outcome.names[clip.video_id]]]
        entry["clips"] += 1
        entry["accepted"] += clip.accepted
    return {
        **outcome.decisions.as_json(),
        "videos": {
            "published": len(outcome.names),
            "done": len(ended) - len(failed),
            "failed": failed,
        },
        "unfinished": len(outcome.names) - len(ended),
        "clips": {
            "made": len(dataset.clips),
            "accepted": len(dataset.accepted),
            "rejected": len(dataset.rejected),
            "rejected_by_filter": dict(dataset.refused_by.most_common()),
        },
        "by_defect": by_defect,
        "shards": list(outcome.shards),
        "dataset": str(settings.dataset_dir),
    }


def show_figures(figures: dict[str, Any], outcome: Outcome, settings_file: Path, query: str, console: Console) -> None:
    """Print the funnel, the decisions beside the truth, the shards, the query, and how to go on."""
    console.print("", _funnel(figures), "", _classes(outcome.decisions), "")
    _show_decisions(figures, console)
    console.print()
    for shard in figures["shards"]:
        place, state = f"shards/{shard['layout']}/{shard['split']}", f"{shard['shards']} {shard['state']}"
        console.print(f"{place}: {state}, {shard['samples']} samples, {shard['bytes']:,} bytes")
    console.print(f"\nasked from another process while the daemon was writing:\n  {query}", soft_wrap=True)
    console.print(f"  {figures['queried_while_writing']}")
    console.print(f"\nthe page to look at:  {figures['page']}", soft_wrap=True)
    console.print(f"the dataset:          {figures['dataset']}", soft_wrap=True)
    console.print(f"it took {figures['took_s']:.0f} s. Go on with:")
    prefix = f"  .venv/bin/vta-stream -s {settings_file}"
    console.print(f'{prefix} query "{WHY}"', soft_wrap=True)
    console.print(f"{prefix} status", soft_wrap=True)


def beside_table(figures: dict[str, Any], other: dict[str, Any]) -> Table:
    """The figures of two demos in two columns; a class that one of them does not have has a dash there."""
    from rich.table import Table

    table = Table(title="beside the earlier demo", title_justify="left", box=None)
    table.add_column("")
    for one in (figures, other):
        table.add_column(f"{in_words(one['corpus']['realm'])}, seed {one['corpus']['seed']}", justify="right")
    for name in ("precision", "recall"):
        table.add_row(name, *(share_in_words(one[name]) for one in (figures, other)))
    medians = (one["border_error_s"]["median"] for one in (figures, other))
    table.add_row("borders, median", *("–" if median is None else f"{median:.3f} s" for median in medians))
    for name in figures["detection"]:
        shares = (one["detection"].get(name, {}).get("share") for one in (figures, other))
        table.add_row(f"kept out: {in_words(name)}", *map(share_in_words, shares))
    return table


def share_in_words(share: float | None) -> str:
    """A share from 0.0 to 1.0 as per cent; a dash where there is nothing to share."""
    return "–" if share is None else f"{share:.1%}"


def in_words(name: str) -> str:
    """A name of the code (a filter, a class of defect, a reason) as it is shown."""
    return name.replace("_", " ")


def _funnel(figures: dict[str, Any]) -> Table:
    from rich.table import Table

    videos, clips = figures["videos"], figures["clips"]
    table = Table(title="the funnel", title_justify="left", box=None)
    table.add_column("step")
    table.add_column("count", justify="right")
    steps = {"videos published": videos["published"], "videos done": videos["done"]}
    steps |= {f"videos failed ({reason})": count for reason, count in Counter(videos["failed"].values()).most_common()}
    steps |= {"clips": clips["made"], "clips accepted": clips["accepted"]}
    steps |= {f"clips rejected by {name}": count for name, count in clips["rejected_by_filter"].items()}
    for step, count in steps.items():
        table.add_row(step, str(count))
    return table


def _classes(decisions: Decisions) -> Table:
    from rich.table import Table

    from vta_stream.toyworld.world.defect import COVER

    table = Table(title="what was planted, and whether it was kept out", title_justify="left", box=None)
    table.add_column("planted")
    for heading in ("times", "kept out", "share", "as expected"):
        table.add_column(heading, justify="right")
    table.add_column("expected of")
    for one in sorted(decisions.detections, key=lambda one: not one.covered):
        if one.planted:
            share, by = share_in_words(one.share), ", ".join(sorted(COVER[one.defect].found_by))
            cells = in_words(one.defect), str(one.planted), str(one.kept_out)
            judged = (share, str(one.expected), by) if one.covered else ("–", "–", "not yet covered")
            table.add_row(*cells, *judged, style="" if one.covered else "dim")
    return table


def _show_decisions(figures: dict[str, Any], console: Console) -> None:
    judged, border = figures["judged"], figures["border_error_s"]
    console.print(
        f"precision  [bold]{share_in_words(figures['precision'])}[/]  "
        f"{judged['clips_right']} of {judged['clips_accepted']} accepted clips are right"
    )
    console.print(
        f"recall     [bold]{share_in_words(figures['recall'])}[/]  "
        f"{judged['good_sentences_told']} of {judged['good_sentences']} good sentences are in an accepted clip"
    )
    if border["count"]:
        console.print(
            f"borders    [bold]{border['median']:.3f} s[/]  from where they belong at the median; "
            f"90 % within {border['p90']:.3f} s"
        )
    if judged["good_sentences_lost_by"]:
        lost = sorted(judged["good_sentences_lost_by"].items(), key=lambda item: -item[1])
        console.print("lost by    " + ", ".join(f"{in_words(name)} {count}" for name, count in lost))
    if names := [in_words(name) for name in figures["not_yet_covered"]]:
        accepted = figures["not_yet_covered_clips_accepted"]
        console.print(f"not yet covered by a filter, and in no figure: {', '.join(names)} ({accepted} clips accepted)")
