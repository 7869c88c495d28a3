"""What an ID means: how many clips its video has, and how each of them ends. A pure function of the ID.

So the pipeline's parts, in whatever process, and the oracle agree without a word between them. The first two
letters of an ID are its `KINDS`, the rest is its number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

CLIPS_MAX = 5
CLIP_S = 4.0
GAP_S = 1.0
SCORE_LIMIT = 0.15
"""Clips that roll below this are rejected by the filter after score; so many again, above, after caption."""
CAPTION_LIMIT = 0.25
GARBAGE = b"{not an ID"
"""Nobody can read this, so it has to end as a dead letter without a video."""

KINDS: dict[str, tuple[float, str]] = {
    "ok": (66, "goes through"),
    "sl": (4, "takes seconds in transcribe"),
    "no": (4, "has no clips"),
    "bc": (3, "has one clip whose cut is not as asked"),
    "fl": (6, "fails twice in download, then works"),
    "df": (3, "is put off once by download, like a live stream"),
    "gd": (4, "is gone: download says never"),
    "tt": (2, "transcribe says never"),
    "ex": (2, "fails in transcribe whenever it is tried"),
    "hg": (1, "hangs in segment's child until the deadline"),
    "cc": (1, "crashes segment's child"),
    "bg": (2, "shows a defect in score, with one of its clips"),
    "nf": (2, "has one clip without frames, which embed refuses"),
}
"""Kind -> (share, what happens to it). Beside them `po`: one clip of it kills the process in caption."""
POISON = "po"

FAILURES: dict[str, tuple[str, str, str]] = {
    "gd": ("download", "terminal", "private"),
    "tt": ("transcribe", "terminal", "no_speech_track"),
    "ex": ("transcribe", "exhausted", "gpu_busy"),
    "hg": ("segment", "exhausted", "child_timeout"),
    "cc": ("segment", "exhausted", "child_crashed"),
}
"""Kinds whose whole video fails: the stage, and the dead letter's kind and reason."""

CLIP_FAILURES: dict[str, tuple[str, str, str]] = {
    "bg": ("score", "unknown", "unknown"),
    "nf": ("embed", "terminal", "no_frames"),
    POISON: ("caption", "unknown", "crash"),
}
"""Kinds of which the first clip fails."""


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip and how it ends: `accepted`, `rejected` (by the filter `by`), or `failed` (see CLIP_FAILURES)."""

    index: int
    start_s: float
    end_s: float
    ending: str
    by: str | None = None


def video_id(kind: str, number: int) -> str:
    """An ID of the form of YouTube's, so that it can be published bare."""
    return f"{kind}-{number:08d}"


def kind_of(video: str) -> str:
    """What happens to it."""
    return video[:2]


def roll(*parts: object) -> float:
    """A number from 0 to 1 that is always the same for these parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


def clips_of(video: str) -> tuple[ClipPlan, ...]:
    """The clips of a video in their order; none if it fails before it is cut."""
    kind = kind_of(video)
    if kind == "no" or kind in FAILURES:
        return ()
    count = 1 + int(roll(video, "count") * CLIPS_MAX)
    return tuple(_clip(video, kind, index) for index in range(count))


def _clip(video: str, kind: str, index: int) -> ClipPlan:
    start_s = index * (CLIP_S + GAP_S)
    place = (index, start_s, start_s + CLIP_S)
    if index == 0 and kind == "bc":
        return ClipPlan(*place, "rejected", "cut")
    if index == 0 and kind in CLIP_FAILURES:
        return ClipPlan(*place, "failed")
    value = roll(video, index)
    if value < SCORE_LIMIT:
        return ClipPlan(*place, "rejected", "chaos_score")
    if value < CAPTION_LIMIT:
        return ClipPlan(*place, "rejected", "chaos_caption")
    return ClipPlan(*place, "accepted")


def content(identity: str, what: str) -> bytes:
    """The bytes of a file of a video or clip: from 100 bytes to 4 KiB."""
    size = 100 + int(roll(identity, what, "size") * 4000)
    return Random(f"{identity}/{what}").randbytes(size)


def text_of(clip_id: str) -> str:
    """What is said in a clip."""
    return f"Words of {clip_id}."


def new_ids(seed: int, poison_every: int) -> Iterator[str]:
    """IDs without end, of all kinds by their shares; about one in `poison_every` kills the process (0: none)."""
    chooser = Random(f"ids {seed}")
    kinds, shares = list(KINDS), [share for share, _ in KINDS.values()]
    number = 0
    while True:
        number += 1
        poison = poison_every and number % poison_every == poison_every // 2
        yield video_id(POISON if poison else chooser.choices(kinds, shares)[0], number)
