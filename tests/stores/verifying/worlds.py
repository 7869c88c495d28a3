"""A real dataset, made by the real store, to be damaged: sealed and open shards in two layouts and two splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.stores.lakes import Logs, dataset, dead, done, embedded, rejected, settings
from vta_stream.domain.clip import Clip
from vta_stream.stores.verifying import Finding, check

SHARD_SAMPLES = 2
VAL = {"val_share": 0.5}


def grouped(clip: Clip, group: str) -> Clip:
    """The clip in a split group whose hash puts it into the split that the test wants."""
    return replace(clip, split_group=group)


def records(folder: Path) -> list[object]:
    """Two videos with accepted and rejected clips, one that failed, one without clips, one still under way."""
    made: list[object] = [embedded(folder, "vid-a", index, 4) for index in range(3)]
    made += [rejected("vid-a", 3, 4), done(folder, "vid-a", 4)]
    made += [embedded(folder, "vid-b", index, 3) for index in range(2)]
    made += [dead("score", "vid-b", rejected("vid-b", 2, 3).clip_id, 1), done(folder, "vid-b", 3)]
    made += [dead("download", "vid-c", None, 2), done(folder, "vid-d", 0, reason="no_speech")]
    made += [embedded(folder, "vid-e", 0, 2), done(folder, "vid-e", 2)]
    return made


def make(folder: Path, **store: Any) -> Path:
    """Write it, in two commits, and return the dataset's folder."""
    lake = dataset(folder, **{"shard_samples_max": SHARD_SAMPLES, "val_share": 0.5, **store})
    lake.open()
    deliveries = Logs().deliver(*records(folder))
    for part in (deliveries[:6], deliveries[6:]):
        assert lake.commit(part).failures == {}
    lake.close()
    return settings(folder).dataset_dir


def found(dataset_dir: Path) -> list[tuple[str, str]]:
    """Kind and place of what is wrong."""
    return [(finding.kind, finding.place) for finding in check(dataset_dir).findings]


def texts(findings: list[Finding]) -> str:
    return "\n".join(map(str, findings))
