"""A video before it is filmed: its shots, its narration with every word's time, and the truth that follows."""

from __future__ import annotations

from dataclasses import dataclass

from vta_stream.toyworld.world.claims import holds
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.grammar import parse
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.speech import Spoken, Voice
from vta_stream.toyworld.world.truth import Kind, SentenceTruth, ShotTruth, VideoTruth, WordTruth

_DIGITS = 4  # of a second: a sample of the sound is 0.06 ms
_SAME_S = 1e-6


@dataclass(frozen=True, slots=True)
class Style:
    """How long the shots of a video are, how they follow each other, and how they are narrated.

    `length_s`: the video's, from and to; it ends with a shot, so it may be longer by the shortest one. `pause_s`:
    silence at both ends of a shot, at least. `run_min_s`: sentences told in one go take so long together, at least.
    `whole`: narrated without regard for its shots.
    """

    length_s: tuple[float, float]
    shot_s: tuple[float, float] = (5.0, 15.0)
    cuts_only: bool = False
    frozen: bool = False
    pause_s: float = 0.7
    run_min_s: float = 2.4
    runs_max: int = 9
    filler_share: float = 0.35
    whole: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A sentence spoken: its first sample is heard at `start_s`."""

    text: str
    kind: Kind
    spoken: Spoken
    start_s: float

    @property
    def begins_s(self) -> float:
        """When its first word is heard."""
        return self.start_s + self.spoken.words[0].start_s

    @property
    def ends_s(self) -> float:
        """When its last word has been heard."""
        return self.start_s + self.spoken.words[-1].end_s


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that is needed to film a video. `fps` is constant, and every border of a shot is a whole frame.

    `sound_shift_s` is by how much longer (or shorter, where negative) the sound is than the picture.
    """

    realm: Realm
    name: str
    seed: str
    defect: Defect
    fps: int
    shots: tuple[ShotTruth, ...]
    voice: Voice
    lines: tuple[Line, ...]
    subtitled: bool = False
    shift_s: float = 0.0
    sound_shift_s: float = 0.0

    @property
    def frame_count(self) -> int:
        """Frames of the video."""
        return round(self.shots[-1].end_s * self.fps)

    @property
    def duration_s(self) -> float:
        """Length of the picture."""
        return self.frame_count / self.fps

    @property
    def subtitles(self) -> str | None:
        """The name of the subtitle track."""
        return self.name.removesuffix(".mp4") + ".en.vtt" if self.subtitled else None


def truth_of(plan: Plan) -> VideoTruth:
    """The truth of a plan that is filmed as it stands."""
    return VideoTruth(
        name=plan.name,
        defect=plan.defect,
        duration_s=round(plan.duration_s, _DIGITS),
        voice=plan.voice.key() if plan.lines else None,
        shots=plan.shots,
        sentences=tuple(sentence_truth(line, plan.shots) for line in plan.lines),
        subtitles=plan.subtitles,
        shift_s=plan.shift_s,
    )


def sentence_truth(line: Line, shots: tuple[ShotTruth, ...]) -> SentenceTruth:
    """What a line is when it is spoken over these shots."""
    shot = shot_at(shots, line.begins_s, line.ends_s)
    words = tuple(
        WordTruth(word.text, round(line.start_s + word.start_s, _DIGITS), round(line.start_s + word.end_s, _DIGITS))
        for word in line.spoken.words
    )
    right = shot is not None and line.kind is Kind.STATEMENT and is_true(line.text, shots[shot])
    return SentenceTruth(line.text, line.kind, words[0].start_s, words[-1].end_s, words, shot, right)


def is_true(text: str, shot: ShotTruth) -> bool:
    """Whether a sentence is a statement of the grammar that is true of the shot throughout."""
    statement = parse(text)
    return statement is not None and holds(statement, shot.scene)


def shot_at(shots: tuple[ShotTruth, ...], start_s: float, end_s: float) -> int | None:
    """The shot that alone is on screen from `start_s` to `end_s`; None if there is none."""
    for index, shot in enumerate(shots):
        if shot.start_s - _SAME_S <= start_s and end_s <= shot.end_s + _SAME_S:
            return index
    return None
