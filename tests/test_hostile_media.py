"""Every hostile file ends as facts and clips, or as a StageError with a reason; nothing hangs, nothing crashes."""

from __future__ import annotations

import os
import random
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vta_stream.children import ChildPool
from vta_stream.domain.clip import Segment, Span
from vta_stream.domain.transcript import Cue
from vta_stream.media.clips import make_clips
from vta_stream.media.probe import probe
from vta_stream.ports import StageError
from vta_stream.settings.work import SegmentSettings

HOSTILE = (ROOT / "../shared/media/hostile").resolve()
NAMES = sorted(str(path.relative_to(HOSTILE)) for path in HOSTILE.rglob("*.*") if path.is_file())
DEADLINE_S = 120.0
SLUG = re.compile(r"[a-z][a-z0-9_]*")

USABLE = {
    "-video-with-dash-.mp4", "ae_testsrc.mp4", "decord_corrupted_nal.mp4", "decord_unordered_pts.mov",
    "mp4parse/h264_white_frame_sar_16_9.mp4", "mp4parse/no_timescale.mp4", "mp4parse/tiny_av1.mp4",
    "mp4parse/video_colr_nclx_hdr10.mp4", "mp4parse/video_rotation_90.mp4", "mp4parse/white.mp4",
    "no_duration.webm", "rotate_0.mov", "rotate_270.mov", "rotate_90.mov", "smpte_2997_labels.mp4",
    "tc_av1_video.mkv", "tc_h265_10bits.mp4", "transparent_alpha.webm",
}  # fmt: skip
"""What a good decoder makes pictures of, be they ever so few."""


def all_of_it(cues: Sequence[Cue], shots: Sequence[Span], settings: SegmentSettings) -> tuple[Segment, ...]:
    """One segment of three seconds at most, from the start: even one frame has to be cut."""
    return (Segment(Span(0.0, min(3.0, shots[-1].end_s)), ""),)


def kill_me(path: Path) -> None:
    """What a decoder does that reads where it must not."""
    os.kill(os.getpid(), 11)


@pytest.fixture
async def children() -> AsyncIterator[ChildPool]:
    pool = ChildPool("hostile", 1)
    yield pool
    await pool.close()


@pytest.mark.parametrize("name", NAMES or [pytest.param("", marks=pytest.mark.skip("no shared media here"))])
async def test_it_ends_with_clips_or_a_reason(children: ChildPool, tmp_path: Path, name: str) -> None:
    path = HOSTILE / name
    settings = SegmentSettings(preset="ultrafast")
    failure = None
    try:
        facts, _ = await children.run(probe, path, deadline_s=DEADLINE_S)
        made = await children.run(
            make_clips, path, tmp_path, "vid-1", "0a1b2c3d", (), all_of_it, settings, deadline_s=DEADLINE_S
        )
    except StageError as error:
        failure = error
    assert (failure is None) == (name in USABLE), failure
    if failure:
        assert SLUG.fullmatch(failure.reason)
        assert failure.reason not in ("child_crashed", "child_timeout")
        assert str(failure)
        return
    assert facts.width >= 1
    (clip,) = made.clips
    assert clip.failure is None
    assert clip.cut.frame_count >= 1


@pytest.mark.skipif(not NAMES, reason="the real media files (../shared/media) are not on this machine")
async def test_after_a_crash_the_next_file_is_read(children: ChildPool) -> None:
    with pytest.raises(StageError) as error:
        await children.run(kill_me, HOSTILE, deadline_s=DEADLINE_S)
    assert error.value.reason == "child_crashed"
    facts, _ = await children.run(probe, HOSTILE / "ae_testsrc.mp4", deadline_s=DEADLINE_S)
    assert facts.width == 640


@pytest.mark.skipif(not NAMES, reason="the real media files (../shared/media) are not on this machine")
@pytest.mark.parametrize("seed", range(6))
async def test_random_damage_never_takes_the_parent_along(children: ChildPool, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    name = chance.choice(["ae_testsrc.mp4", "no_duration.webm", "tc_h265_10bits.mp4", "tc_av1_video.mkv"])
    content = bytearray((HOSTILE / name).read_bytes())
    for _ in range(chance.randint(1, 200)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path = tmp_path / name
    path.write_bytes(content[: chance.randint(len(content) // 2, len(content))])
    settings, outcome = SegmentSettings(preset="ultrafast"), ""
    try:
        made = await children.run(
            make_clips, path, tmp_path, "vid-1", "0a1b2c3d", (), all_of_it, settings, deadline_s=DEADLINE_S
        )
        outcome = f"clips_{len(made.clips)}"
    except StageError as error:
        outcome = error.reason
    assert SLUG.fullmatch(outcome)
    assert outcome != "child_timeout"
