"""What can be wrong with a dataset: every kind by name, what it means, and whether it can be mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

Mend = Literal["repair", "drop", "none"]
"""`repair`: `--repair` mends it and loses nothing. `drop`: something is lost; with `--drop-lost` the repair takes the
rows of what is lost out as well, so that the videos can be submitted again. `none`: nobody here can mend it."""

DETAILS_MAX = 1000
"""So many findings of a kind are told one by one; of the rest only their number is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`meaning` and `remedy` are for a person. One with `quiet` says something only when no writer was at work."""

    meaning: str
    mend: Mend
    remedy: str
    quiet: bool = False


_COPY = "bring the file back from a copy of the dataset"
_LOST = "bring the file back from a copy of the dataset, or repair with --drop-lost and submit the videos again"
_SUBMIT = "submit the videos again"
_ASIDE = "it is moved to quarantine/"

KINDS: dict[str, Kind] = {
    "table_file_missing": Kind("the catalog names a table's file that is not there", "none", _COPY),
    "table_file_damaged": Kind("a table's file cannot be read, or is not as long as the catalog says", "none", _COPY),
    "unknown_table_file": Kind(
        "a file among the tables that the catalog does not know (in a bucket, commits that were cut off leave some; "
        "the writer removes them after a day)", "repair", _ASIDE, True,
    ),
    "mark_missing": Kind(
        "the mark is gone by which a writer knows the place of its files: none starts there", "none", "bring the file "
        "back, or write it with just that content if this is the right place",
    ),
    "moved": Kind("the catalog says that its tables lie elsewhere: readers look there", "repair", "it is told"),
    "row_twice": Kind("several rows with one key", "repair", "one of them is kept"),
    "row_without_clip": Kind("a row of a clip that the table clips does not have", "repair", "the row is removed"),
    "sample_missing": Kind("an accepted clip without its sample", "drop", "repair with --drop-lost, then submit again"),
    "embedding_missing": Kind(
        "a sample with embeddings has no row of them, or one that cannot be", "drop", "repair with --drop-lost, then "
        "submit again",
    ),
    "rejected_in_shard": Kind("a rejected clip has a sample or embeddings", "repair", "they are taken out"),
    "verdict_disagrees": Kind(
        "a clip is rejected and no filter says no, or accepted though one does", "none", "ask who wrote it; its rows "
        "say which version",
    ),
    "clips_missing": Kind("a video is called done, but not all of its clips have ended", "none", _SUBMIT),
    "clips_too_many": Kind(
        "a video has more clips than were cut of it", "none", "it was cut differently under one pipeline version"
    ),
    "video_misjudged": Kind("a video's status is not what the other rows say", "repair", "it is judged anew"),
    "video_without_reason": Kind("a video is called failed, and no dead letter says why", "none", _SUBMIT),
    "transcript_missing": Kind(
        "a video without its transcript's row", "drop", "repair with --drop-lost, then submit again"
    ),
    "split_disagrees": Kind("clip, sample and shard are not of one split and layout", "none", _SUBMIT),
    "offset_invalid": Kind(
        "an offset that cannot be", "repair", "its row is removed: the log is read again, and nothing is added twice"
    ),
    "shard_missing": Kind("the file of a shard is not there", "drop", _LOST),
    "shard_short": Kind("the file of a shard ends before its samples do", "drop", _LOST),
    "shard_row_missing": Kind("samples lie in a shard that the table shards does not have", "repair", "its row is "
                              "made anew"),
    "shard_unsealed": Kind("a sealed shard still has its temporary name", "repair", "it is sealed", True),
    "shard_renamed": Kind(
        "an open shard has its final name: trainers see what is not committed", "repair", "it is opened again (in a "
        "bucket: sealed), and a copy kept in quarantine/", True,
    ),
    "shard_end": Kind("a sealed shard does not end where it should", "repair", "it is cut and ended there "
                      "(in a bucket: written anew)"),
    "shard_tail": Kind("an open shard has bytes that were never committed", "repair", "they are cut off", True),
    "shard_count": Kind("a shard's row does not count what is in it", "repair", "it is counted anew"),
    "unnamed_bytes": Kind(
        "a shard has members that no row names: trainers see them", "repair", "the shard is written anew without them"
    ),
    "sample_damaged": Kind("a sample's bytes are not what was written", "drop", _LOST),
    "unknown_shard_file": Kind("a file among the shards that the catalog does not know", "repair", _ASIDE, True),
    "splits_csv": Kind("splits.csv does not list the sealed shards as they are", "repair", "it is written anew", True),
    "leftover": Kind("a temporary file that nobody needs any more", "repair", _ASIDE, True),
}  # fmt: skip
"""Every kind of finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `place` is a file or a row's key.

    `clips` are those of which something is lost, and `videos` the ones that have to be submitted again for it.
    """

    kind: str
    place: str
    detail: str
    videos: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()

    @property
    def mend(self) -> Mend:
        """Whether a repair mends it."""
        return KINDS[self.kind].mend

    def __str__(self) -> str:
        kind = KINDS[self.kind]
        able = {"repair": "--repair mends it", "drop": "lost", "none": "not mended"}[kind.mend]
        return f"{self.kind} {self.place}: {self.detail} ({kind.meaning}; {able}: {kind.remedy})"


@dataclass
class Report:
    """What a check found. `notes` say what was not checked, and why."""

    findings: list[Finding] = field(default_factory=list)
    more: Counter[str] = field(default_factory=Counter)
    """By kind, how many were found beside those in `findings`."""
    notes: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    """What was looked at: shards, samples, bytes of samples, rows."""
    submit: list[str] = field(default_factory=list)
    """The commands that bring back what is lost."""
    _told: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Take note of a finding; above 1,000 of its kind, only of its number."""
        if finding.kind not in KINDS:
            raise ValueError(f"no such kind of finding: {finding.kind}")
        self._told[finding.kind] += 1
        if self._told[finding.kind] > DETAILS_MAX:
            self.more[finding.kind] += 1
        else:
            self.findings.append(finding)

    def forget(self, kinds: Collection[str]) -> int:
        """Drop the findings of these kinds; returns how many there were."""
        kept = [finding for finding in self.findings if finding.kind not in kinds]
        dropped = len(self.findings) - len(kept) + sum(self.more.pop(kind, 0) for kind in kinds)
        self.findings = kept
        return dropped
