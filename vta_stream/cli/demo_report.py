"""What the demo tells at its end: figures from the dataset, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from vta_stream.settings import Settings
    from vta_stream.toyworld.corpus import Corpus

SHARDS = (
    "SELECT layout, split, state, count(*), sum(sample_count), sum(data_bytes) FROM shards GROUP BY ALL ORDER BY ALL"
)
SHARD_KEYS = ("layout", "split", "state", "shards", "samples", "bytes")
WHY = "SELECT text, reason FROM verdicts JOIN clips USING (clip_id) WHERE NOT keep LIMIT 5"


def read_figures(settings: Settings, urls: dict[str, str], queried: dict[str, Any]) -> dict[str, Any]:
    """What the dataset says, beside what was planted."""
    from vta_stream.stores.reader import open_reader
    from vta_stream.toyworld.corpus import video_ids

    with open_reader(settings) as lake:
        rows = lake.execute(
            "SELECT video_id, any_value(status), any_value(videos.reason), count(clip_id), count(*) FILTER (accepted) "
            "FROM videos LEFT JOIN clips USING (video_id) GROUP BY ALL"
        ).fetchall()
        rejected = lake.execute(
            "SELECT filter, count(*) FROM verdicts WHERE NOT keep GROUP BY filter ORDER BY count(*) DESC, filter"
        ).fetchall()
        shards = lake.execute(SHARDS).fetchall()
    planted = video_ids(urls)
    by_defect: dict[str, dict[str, int]] = {}
    for video_id, status, _reason, clips, accepted in rows:
        entry = by_defect.setdefault(planted[video_id], {"videos": 0, "failed": 0, "clips": 0, "accepted": 0})
        entry["videos"] += 1
        entry["failed"] += status == "failed"
        entry["clips"] += clips
        entry["accepted"] += accepted
    total, kept = sum(row[3] for row in rows), sum(row[4] for row in rows)
    return {
        "videos": {"published": len(urls), "done": sum(row[1] == "done" for row in rows),
                   "failed": {row[0]: row[2] for row in rows if row[1] == "failed"}},
        "unfinished": len(urls) - len(rows),
        "clips": {"made": total, "accepted": kept, "rejected_by_filter": dict(rejected)},
        "by_defect": by_defect,
        "shards": [dict(zip(SHARD_KEYS, row, strict=True)) for row in shards],
        "queried_while_writing": queried,
        "dataset": str(settings.dataset_dir),
    }  # fmt: skip


def show_figures(figures: dict[str, Any], corpus: Corpus, query: str, console: Console) -> None:
    """Print the funnel, what was planted, the shards, the query, and how to go on."""
    from rich.table import Table

    videos, clips = figures["videos"], figures["clips"]
    funnel = Table(title="the funnel", title_justify="left", box=None)
    funnel.add_column("step")
    funnel.add_column("count", justify="right")
    steps = {"videos published": videos["published"], "videos done": videos["done"]}
    steps |= {f"videos failed ({reason})": 1 for reason in videos["failed"].values()}
    steps |= {"clips": clips["made"], "clips accepted": clips["accepted"]}
    steps |= {f"clips rejected by {name}": count for name, count in clips["rejected_by_filter"].items()}
    for step, count in steps.items():
        funnel.add_row(step, str(count))
    planted = Table(title="what was planted, and what came of it", title_justify="left", box=None)
    for heading in ("planted", "videos", "failed", "clips", "accepted"):
        planted.add_column(heading, justify="left" if heading == "planted" else "right")
    for defect, entry in sorted(figures["by_defect"].items()):
        planted.add_row("nothing wrong" if defect == "none" else defect, *(str(number) for number in entry.values()))
    console.print("", funnel, "", planted, "")
    for shard in figures["shards"]:
        place, state = f"shards/{shard['layout']}/{shard['split']}", f"{shard['shards']} {shard['state']}"
        console.print(f"{place}: {state}, {shard['samples']} samples, {shard['bytes']:,} bytes")
    console.print(f"\nasked from another process while the daemon was writing:\n  {query}")
    console.print(f"  {figures['queried_while_writing']}")
    console.print(f"\nthe dataset is {figures['dataset']}. Go on with:")
    prefix = f"  .venv/bin/vta-stream -s {corpus.settings_file}"
    console.print(f'{prefix} query "{WHY}"')
    console.print(f"{prefix} status")
