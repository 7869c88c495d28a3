"""What runs in segment's child instead of decoding. A module of its own, so that the child starts quickly."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.faults.chaos import world
from vta_stream.domain.clip import Cut, Segment, Span
from vta_stream.domain.ids import clip_id
from vta_stream.domain.making import MadeClip, MadeVideo
from vta_stream.domain.transcript import Cue
from vta_stream.ports import DISK_FULL, TerminalError, TransientError

HANG_S = 3600.0


def make_clips(
    media: Path,
    folder: Path,
    video_id: str,
    version: str,
    cues: Sequence[Cue],
    choose: Callable[..., Any],
    settings: Any,
) -> MadeVideo:
    """What runs in segment's child: checks the media and writes the clips."""
    kind = world.kind_of(video_id)
    try:
        content = media.read_bytes()
    except FileNotFoundError as error:  # as the real one does, of a video that has ended meanwhile
        raise TransientError("media_gone", f"{media.name} is not there any more") from error
    if content != world.content(video_id, "media"):
        raise TerminalError("media_wrong", f"{media} is not what was downloaded")
    if kind == "hg":
        time.sleep(HANG_S)
    if kind == "cc":
        os.kill(os.getpid(), signal.SIGSEGV)
    made = []
    for plan in world.clips_of(video_id):
        identity = clip_id(video_id, plan.start_s, plan.end_s, version)
        try:
            (folder / f"{identity}.mp4").write_bytes(world.content(identity, "mp4"))
            (folder / f"{identity}.npz").write_bytes(identity.encode())
        except OSError as error:  # as the real one does
            if error.errno in DISK_FULL:
                raise TransientError("disk_full", str(error)) from error
            raise
        span = Span(plan.start_s, plan.end_s)
        made.append(
            MadeClip(
                identity,
                Segment(span, world.text_of(identity), cues[plan.index].words),
                Cut(span, span, 100, 0.0, 0.0),
                motion=12.0,
                shot_purity=1.0,
                failure=("frames_missing", "planted") if plan.by == "cut" else None,
            )
        )
    return MadeVideo(60.0, 3, tuple(made))


def nothing_to_choose(*_: object) -> tuple[()]:
    """The plan says which segments there are."""
    return ()
