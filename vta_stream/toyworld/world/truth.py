"""The planted truth of a corpus: what is said and shown when, what is wrong, and what a perfect curator takes.

Times are seconds of the video, from its first frame. Written as `truth.json` beside the videos, read by nothing
but those who judge the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from vta_stream.toyworld.world.defect import SERVED_BADLY, Defect
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.scene import Scene

TRUTH_FILE = "truth.json"
_SENTENCES_DECIDE = frozenset({Defect.NONE, Defect.OTHER_SCENE, Defect.SHIFTED}) | SERVED_BADLY


class Kind(StrEnum):
    """What a sentence is about: the picture, nothing, or something else in another language."""

    STATEMENT = "statement"
    FILLER = "filler"
    FOREIGN = "foreign"


class Transition(StrEnum):
    """How a shot begins: with the video, by a hard cut, out of the shot before, or out of black."""

    START = "start"
    CUT = "cut"
    DISSOLVE = "dissolve"
    FADE = "fade"


@dataclass(frozen=True, slots=True)
class WordTruth:
    """A word, as it is written, and when it is to be heard in the file."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class SentenceTruth:
    """A sentence as it is to be heard in the file.

    `shot` is the index of the shot that alone is on screen while it is said; None where it is said over a border.
    `right`: it is a statement, and true of that shot throughout. A filler is never right, and does no harm.
    """

    text: str
    kind: Kind
    start_s: float
    end_s: float
    words: tuple[WordTruth, ...]
    shot: int | None
    right: bool


@dataclass(frozen=True, slots=True)
class ShotTruth:
    """A shot, from the first frame on which it alone is to be seen to the end of the last one.

    A cut leaves no gap to the shot before; a dissolve or fade does, and is that gap. At the time t of the video the
    shot shows `scene` at t - `scene_start_s`, so `scene` begins with the dissolve into it.
    """

    start_s: float
    end_s: float
    transition: Transition
    scene_start_s: float
    scene: Scene


@dataclass(frozen=True, slots=True)
class VideoTruth:
    """One video: its file, what is wrong with it, and all that is said and shown.

    `name` is the file's name, even where the server will not give it away (`removed`, `forbidden`: there is no
    file). `duration_s` is what the file says of itself; 0 without a file. `voice` names the narrator, None where
    nobody speaks; `subtitles` the file of a subtitle track that lies beside it.
    """

    name: str
    defect: Defect
    duration_s: float
    voice: str | None
    shots: tuple[ShotTruth, ...]
    sentences: tuple[SentenceTruth, ...]
    subtitles: str | None = None
    shift_s: float = 0.0
    """Shifted narration, and sound out of step: so much later than it should be (sooner where negative)."""
    original: str | None = None
    """A near-duplicate: the name of the video that it repeats."""
    changes: tuple[str, ...] = ()
    """What was done to a near-duplicate, or to a damaged file, in words."""
    damaged_s: tuple[float, float] | None = None
    """A damaged file: from where to where nothing can be relied on."""

    def is_good(self, sentence: SentenceTruth) -> bool:
        """Whether a perfect curator takes this sentence of the video into the dataset.

        It is right (a statement that is true of one shot, and said wholly within it), and nothing is wrong with the
        video that concerns it. So, by defect:

        - none, rate-limited, cut off: every right sentence (the server gives the file at last);
        - other scene, shifted: the sentences that happen to be right all the same, for the clip is what it should be;
        - damaged: right sentences outside of `damaged_s`;
        - all others concern the whole video: no sentence of it is good.

        Sentences that follow each other within 0.8 s are told in one clip; each such run is long enough for one.
        """
        if self.defect is Defect.DAMAGED:
            return sentence.right and not self._is_damaged(sentence.start_s, sentence.end_s)
        return sentence.right and self.defect in _SENTENCES_DECIDE

    @property
    def good(self) -> tuple[SentenceTruth, ...]:
        """The sentences that a perfect curator takes, in order."""
        return tuple(sentence for sentence in self.sentences if self.is_good(sentence))

    def told_in(self, start_s: float, end_s: float) -> tuple[SentenceTruth, ...]:
        """The sentences told in [start_s, end_s), even by a single word. A word belongs where its middle is."""
        return tuple(sentence for sentence in self.sentences if _words_in(sentence, start_s, end_s))

    def _is_damaged(self, start_s: float, end_s: float) -> bool:
        return self.damaged_s is not None and start_s < self.damaged_s[1] and self.damaged_s[0] < end_s


@dataclass(frozen=True, slots=True)
class CorpusTruth:
    """All videos of a corpus, in the order of their numbers; made from `realm`, `seed` and `longest_s` alone."""

    realm: Realm
    seed: int
    videos: tuple[VideoTruth, ...]
    longest_s: float = 0.0

    def video(self, name: str) -> VideoTruth:
        """The video of this file name; KeyError without one."""
        for video in self.videos:
            if video.name == name:
                return video
        raise KeyError(f"{name} is no video of this corpus")


def write_truth(truth: CorpusTruth, folder: Path) -> Path:
    """Write `truth.json` into the corpus's folder. The same truth is the same bytes."""
    return join_truth(replace(truth, videos=()), map(msgspec.json.encode, truth.videos), folder)


def join_truth(head: CorpusTruth, videos: Iterable[bytes], folder: Path) -> Path:
    """Write `truth.json` of a corpus whose videos come encoded one by one, so that thousands need no memory.

    All but the videos is taken from `head`. The file appears when it is whole.
    """
    path, part = folder / TRUTH_FILE, folder / f"{TRUTH_FILE}.part"
    begin, end = msgspec.json.encode(head).split(b'"videos":[]')
    with part.open("wb") as file:
        file.write(begin + b'"videos":[')
        for number, video in enumerate(videos):
            file.write((b",\n" if number else b"\n") + video.strip())
        file.write(b"\n]" + end + b"\n")
    return part.replace(path)


def read_truth(folder: Path) -> CorpusTruth:
    """The truth of the corpus in this folder; ValueError names a file that is none."""
    path = folder / TRUTH_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=CorpusTruth)
    except msgspec.MsgspecError as error:
        raise ValueError(
            f"{path} is not the truth of a toy corpus ({error}); `vta-stream toyworld build` makes one"
        ) from error


def _words_in(sentence: SentenceTruth, start_s: float, end_s: float) -> list[WordTruth]:
    return [word for word in sentence.words if start_s <= (word.start_s + word.end_s) / 2 < end_s]
