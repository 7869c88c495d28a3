"""The sequence oracle: what the dataset has to hold is known from the IDs; is it that, all of it, and only once?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tests.faults.chaos import world
from vta_stream.domain.ids import clip_id

Identity = TypeVar("Identity")
LAYOUTS = ("video-text", "embeddings")
BLAMED = ("unknown", "crash")
"""A message that was in work each time somebody else killed the process ends like one that did it itself."""
SURROUNDINGS = {"disk_full", "io_error", "stopping"}
"""Reasons that lie in what the chaos did. A message that met them at every attempt ends with that reason."""

Letter = tuple[str | None, str | None, str, str, str]
"""(video, clip, stage, kind, reason)"""


@dataclass(frozen=True, slots=True)
class Violation:
    """`kind` is `lost`, `twice`, `wrong` (not as planned) or `foreign` (nobody published it)."""

    kind: str
    identity: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.identity}: {self.text}"


@dataclass
class Observed:
    """What was found in the dataset. Lists, so that what is there twice is seen."""

    videos: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)
    """(video, status, failed stage, reason)"""
    clips: list[tuple[str, str, bool, str]] = field(default_factory=list)
    """(clip, video, accepted, SHA-256)"""
    samples: list[tuple[str, str, str]] = field(default_factory=list)
    """(clip, layout, shard)"""
    letters: list[Letter] = field(default_factory=list)
    in_shards: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(clip, layout, shard, SHA-256 of the mp4 or of the text), as a trainer's reader found them"""
    captions: Counter[str] = field(default_factory=Counter)
    embeddings: Counter[str] = field(default_factory=Counter)


@dataclass
class Judgement:
    """What is wrong, and what is worth a number."""

    violations: list[Violation] = field(default_factory=list)
    videos: int = 0
    clips: int = 0
    samples: int = 0
    letters: int = 0
    blamed: list[Letter] = field(default_factory=list)
    """Dead letters that no plan names: they were in work while the process was killed from outside, three times."""
    gave_up: list[Letter] = field(default_factory=list)
    """Dead letters that no plan names: the surroundings failed at every attempt."""
    repeated_letters: int = 0
    """Equal dead letters of different inputs: the input had been sent twice."""

    def count(self, kind: str) -> int:
        return sum(violation.kind == kind for violation in self.violations)


def judge(published: Collection[str], garbage: int, version: str, observed: Observed) -> Judgement:
    """Compare. `garbage` unreadable messages were published beside the IDs; `version` is the pipeline's."""
    found = Judgement(
        videos=len(observed.videos),
        clips=len(observed.clips),
        samples=len(observed.samples),
        letters=len(observed.letters),
    )
    excused = _letters(published, garbage, version, observed, found)
    found.violations += _videos(published, observed, excused)
    accepted = {}
    for video in published:
        accepted.update(_wanted_clips(video, version))
    found.violations += _clips(accepted, observed, excused)
    found.violations += _samples({clip for clip, taken in accepted.items() if taken}, observed, excused)
    return found


def planned_letters(video: str, version: str) -> set[Letter]:
    """The dead letters that an ID has to end in."""
    kind = world.kind_of(video)
    if kind in world.FAILURES:
        return {(video, None, *world.FAILURES[kind])}
    return {
        (video, clip_id(video, plan.start_s, plan.end_s, version), *world.CLIP_FAILURES[kind])
        for plan in world.clips_of(video)
        if plan.ending == "failed"
    }


def _wanted_clips(video: str, version: str) -> dict[str, bool]:
    """The rows of `clips` that an ID has to end in, and whether they are accepted."""
    return {
        clip_id(video, plan.start_s, plan.end_s, version): plan.ending == "accepted"
        for plan in world.clips_of(video)
        if plan.ending != "failed"
    }


def _letters(published: Collection[str], garbage: int, version: str, observed: Observed, found: Judgement) -> set[str]:
    """Judge the dead letters; returns the videos and clips that may be missing because they ended as one."""
    wanted = {letter for video in published for letter in planned_letters(video, version)}
    counted = Counter(letter for letter in observed.letters if letter[0] is not None)
    unreadable = sum(letter[0] is None for letter in observed.letters)
    if unreadable != garbage:
        kind = "lost" if unreadable < garbage else "twice"
        text = f"{garbage} were published and {unreadable} have a dead letter"
        found.violations.append(Violation(kind, "unreadable messages", text))
    excused = set()
    for letter, count in counted.items():
        found.repeated_letters += count - 1
        if letter in wanted:
            continue
        if letter[3:] == BLAMED:
            found.blamed.append(letter)
        elif letter[3] == "exhausted" and letter[4] in SURROUNDINGS:
            found.gave_up.append(letter)
        else:
            found.violations.append(Violation("wrong", str(letter[1] or letter[0]), f"has a dead letter {letter}"))
        excused.add(str(letter[1] or letter[0]))
    found.violations += [
        Violation("lost", str(letter[1] or letter[0]), f"has no dead letter {letter}")
        for letter in wanted - set(counted)
        if not (letter[0] in excused or letter[1] in excused)
    ]
    return excused


def _videos(published: Collection[str], observed: Observed, excused: set[str]) -> Iterator[Violation]:
    counted = Counter(row[0] for row in observed.videos)
    yield from _counts(set(published), counted, "row in videos")
    for video, status, stage, reason in observed.videos:
        if video in excused:
            continue
        kind = world.kind_of(video)
        failure = world.FAILURES.get(kind)
        if failure:
            wanted: tuple[str, str | None, str | None] = ("failed", failure[0], failure[2])
        else:
            wanted = ("done", None, "no_segment_long_enough" if kind == "no" else None)
        if (status, stage, reason) != wanted:
            yield Violation("wrong", video, f"is {(status, stage, reason)} and has to be {wanted}")


def _clips(accepted: Mapping[str, bool], observed: Observed, excused: set[str]) -> Iterator[Violation]:
    counted = Counter(row[0] for row in observed.clips)
    here = {clip for clip in accepted if clip in counted or not _is_excused(clip, excused)}
    yield from _counts(here, counted, "row in clips")
    for clip, video, taken, sha256 in observed.clips:
        if video != clip[:11]:
            yield Violation("wrong", clip, f"is filed under {video}")
        if sha256 != hashlib.sha256(world.content(clip, "mp4")).hexdigest():
            yield Violation("wrong", clip, "its SHA-256 is not that of what was cut")
        if clip in accepted and taken != accepted[clip]:
            yield Violation("wrong", clip, f"accepted is {taken}")
    taken_in = {clip for clip in here if accepted[clip]}
    yield from _counts(taken_in, observed.embeddings, "row in embeddings")
    captioned = {clip for clip in here if accepted[clip] or _is_captioned(clip)}
    yield from _counts(captioned, observed.captions, "row in captions")


def _is_captioned(clip: str) -> bool:
    start_ms = int(clip[12:21])
    plans = world.clips_of(clip[:11])
    return any(plan.by == "chaos_caption" for plan in plans if round(plan.start_s * 1000) == start_ms)


def _is_excused(clip: str, excused: set[str]) -> bool:
    return clip in excused or clip[:11] in excused


def _samples(accepted: set[str], observed: Observed, excused: set[str]) -> Iterator[Violation]:
    counted = Counter((clip, layout) for clip, layout, _ in observed.samples)
    read = Counter((clip, layout) for clip, layout, _, _ in observed.in_shards)
    wanted = {
        (clip, layout)
        for clip in accepted
        for layout in LAYOUTS
        if (clip, layout) in counted or not _is_excused(clip, excused)
    }
    yield from _counts(wanted, counted, "row in samples")
    yield from _counts(set(counted), read, "sample in the shards")
    places = {(clip, layout): shard for clip, layout, shard in observed.samples}
    hashes = {clip: sha256 for clip, _, _, sha256 in observed.clips}
    for clip, layout, shard, sha256 in observed.in_shards:
        if places.get((clip, layout)) not in (None, shard):
            yield Violation("wrong", clip, f"is in {shard}, and its row says {places[clip, layout]}")
        if layout == "video-text" and sha256 != hashes.get(clip):
            yield Violation("wrong", clip, f"its bytes in {shard} are not those of its row")


def _counts(wanted: Collection[Identity], counted: Mapping[Identity, int], what: str) -> Iterator[Violation]:
    for identity in wanted:
        if not counted.get(identity):
            yield Violation("lost", str(identity), f"has no {what}")
    for identity, count in counted.items():
        if count > 1:
            yield Violation("twice", str(identity), f"has {count} of: {what}")
        if identity not in wanted:
            yield Violation("foreign", str(identity), f"has a {what} that nothing published leads to")
