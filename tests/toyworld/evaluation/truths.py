"""Small truths built by hand: shots of 10 s after each other, sentences with a word a half second."""

from __future__ import annotations

from typing import Any

from vta_stream.toyworld.evaluation.clip_truth import ClipRow
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.scene import Backdrop, Camera, Group, Scene
from vta_stream.toyworld.world.truth import (
    CorpusTruth,
    Kind,
    SentenceTruth,
    ShotTruth,
    Transition,
    VideoTruth,
    WordTruth,
)

SHOT_S = 10.0
WORD_S = 0.5


def sentence(text: str, start_s: float, kind: Kind = Kind.STATEMENT, *, right: bool | None = None) -> SentenceTruth:
    """Words of half a second without pauses; about the shot that it lies in; right if it is a statement."""
    words = tuple(
        WordTruth(word, start_s + WORD_S * index, start_s + WORD_S * (index + 1))
        for index, word in enumerate(text.split())
    )
    end_s = words[-1].end_s
    shot = int(start_s // SHOT_S) if start_s // SHOT_S == (end_s - 1e-9) // SHOT_S else None
    right = kind is Kind.STATEMENT and shot is not None if right is None else right
    return SentenceTruth(text, kind, start_s, end_s, words, shot, right)


def video(*sentences: SentenceTruth, name: str = "a.mp4", defect: Defect = Defect.NONE, **more: Any) -> VideoTruth:
    """Two shots, from 0 to 10 s and from 10 to 20 s."""
    values: dict[str, Any] = {"duration_s": 2 * SHOT_S, "voice": "a", "shots": (shot(0), shot(1)), **more}
    return VideoTruth(name, defect, sentences=sentences, **values)


def shot(index: int) -> ShotTruth:
    scene = Scene(
        (Group("circle", "red", "small", 1, "left", 100, 100, 23, 80),),
        Backdrop("plain", (90, 90, 90), (90, 90, 90), 1),
        Camera(),
        1.0,
        SHOT_S,
    )
    start_s = index * SHOT_S
    return ShotTruth(start_s, start_s + SHOT_S, Transition.CUT if index else Transition.START, start_s, scene)


def corpus(*videos: VideoTruth) -> CorpusTruth:
    return CorpusTruth(Realm.DEMO, 0, videos)


def clip(start_s: float, end_s: float, text: str, *refused_by: str, video: str = "a.mp4") -> ClipRow:
    """Accepted, unless somebody refused it."""
    return ClipRow(f"{video} {start_s:g}", video, start_s, end_s, text, not refused_by, refused_by)
