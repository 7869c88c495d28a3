"""A mutant through everything that reads foreign media, each step in a child, as the stages do it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.hostile.mutants import Mutant
from vta_stream.children import ChildPool
from vta_stream.domain.clip import Segment, Span
from vta_stream.domain.transcript import Cue
from vta_stream.media.clips import make_clips
from vta_stream.media.probe import probe
from vta_stream.media.speech import extract_audio
from vta_stream.media.subtitles import read_subtitle
from vta_stream.ports import StageError
from vta_stream.settings.work import SegmentSettings

DEADLINE_S = 120.0
"""For one step, on a machine with much else to do; idle, one takes some hundredths of a second."""
CLIPS = "clips"
SLUG = re.compile(r"[a-z][a-z0-9_]*")
UNRULY = {"child_timeout"}
"""Reasons that say a deadline was needed."""


@dataclass
class Found:
    """Outcomes by kind of damage, and what must not be. An outcome is `clips` or the reason of a failure."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(counted.total() for counted in self.outcomes.values())


def whole(cues: Sequence[Cue], shots: Sequence[Span], settings: SegmentSettings) -> tuple[Segment, ...]:
    """One segment of three seconds at most, from the start: even one picture has to be cut."""
    return (Segment(Span(0.0, min(3.0, shots[-1].end_s)), ""),)


async def examine(mutants: Iterable[Mutant], folder: Path, at_once: int = 2) -> Found:
    """Returns when each mutant has come to an end."""
    found = Found()
    left = iter(mutants)
    children = ChildPool("hostile", at_once)

    async def take_turns(lane: Path) -> None:
        for mutant in left:
            path = _write(lane, mutant)
            what = f"{mutant.number} ({mutant.kind} of {mutant.original})"
            try:
                outcome = await _steps(children, path, lane)
            except StageError as error:
                outcome = error.reason
                if outcome in UNRULY or not SLUG.fullmatch(outcome) or not str(error):
                    found.wrong.append(f"{what}: {outcome}: {error}")
            except Exception as error:  # noqa: BLE001 - what it is, is the finding
                outcome = type(error).__name__
                found.wrong.append(f"{what}: {error!r}")
            found.outcomes.setdefault(mutant.kind, Counter())[outcome] += 1

    try:
        await asyncio.gather(*(take_turns(folder / f"lane-{lane}") for lane in range(at_once)))
    finally:
        await children.close()
    return found


def _write(lane: Path, mutant: Mutant) -> Path:
    shutil.rmtree(lane, ignore_errors=True)
    lane.mkdir(parents=True)
    path = lane / mutant.original
    path.write_bytes(mutant.content)
    return path


async def _steps(children: ChildPool, path: Path, folder: Path) -> str:
    """As download, transcribe and segment. Sound that cannot be read ends a video only if there is no picture."""
    facts, subtitles = await children.run(probe, path, deadline_s=DEADLINE_S)
    assert facts.width >= 1
    assert facts.height >= 1
    for subtitle in subtitles:
        await children.run(read_subtitle, path, subtitle, None, facts.duration_s, deadline_s=DEADLINE_S)
    await children.run(extract_audio, path, folder / "sound.wav", deadline_s=DEADLINE_S)
    settings = SegmentSettings(preset="ultrafast")
    made = await children.run(make_clips, path, folder, "vid-1", "0a1b2c3d", (), whole, settings, deadline_s=DEADLINE_S)
    (clip,) = made.clips
    if clip.failure is not None:
        assert SLUG.fullmatch(clip.failure[0])
        return f"cut: {clip.failure[0]}"
    assert clip.cut.frame_count >= 1
    return CLIPS
