"""One clip of the dataset against the planted truth: is it right, and are its borders where they should be?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from vta_stream.toyworld.world.truth import Kind, SentenceTruth, VideoTruth

SHOWN_SHARE = 0.9
"""So much of a right clip shows the shot that its sentences are about; `shot_purity` asks the same by default."""

Mark = Literal["right", "wrong", "aside", "misheard", "torn"]
"""What is to be said of a sentence in a clip: good; not so, or not for this picture; a filler; good as it was
spoken, but not as it was heard; good, but not whole in the clip."""


@dataclass(frozen=True, slots=True)
class ClipRow:
    """What the dataset says of a clip. `video` is the truth's name of its video; `refused_by`: filters that said no."""

    clip_id: str
    video: str
    start_s: float
    end_s: float
    text: str
    accepted: bool
    refused_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkedSentence:
    """A sentence that is told in a clip, or in part, as the truth has it."""

    truth: SentenceTruth
    mark: Mark


@dataclass(frozen=True, slots=True)
class ClipFinding:
    """A clip beside the truth. `right`: a perfect curator would have made it so, and taken it."""

    row: ClipRow
    sentences: tuple[MarkedSentence, ...]
    right: bool


def find_clip(row: ClipRow, video: VideoTruth) -> ClipFinding:
    """Compare a clip with the truth of its video. It is right if all of this holds:

    - every sentence told in it, even by a single word, is good (`VideoTruth.is_good`) or a filler, and there is at
      least one good one;
    - each of its good sentences is whole: all its words lie in the clip, by their middles;
    - and is in the clip's text word for word. Fillers may be misheard: they say nothing of the picture;
    - all good sentences are about one shot, and at least `SHOWN_SHARE` of the clip shows it.

    Whether the clip was accepted plays no part.
    """
    heard = f" {_plain(row.text)} "
    marked = tuple(
        MarkedSentence(sentence, _mark(sentence, video, row, heard))
        for sentence in video.told_in(row.start_s, row.end_s)
    )
    good = [one.truth for one in marked if one.mark == "right"]
    harmless = all(one.mark in ("right", "aside") for one in marked)
    return ClipFinding(row, marked, bool(good) and harmless and _shows(good, video, row))


def border_errors_s(row: ClipRow, video: VideoTruth, padding_s: float) -> tuple[float, float] | None:
    """How far the start and the end of a clip are from where they belong, in seconds, never negative.

    The pipeline leaves deliberate room round the words, so a border is compared with where a perfect cutter with
    the same settings puts it: `padding_s` before the first sentence that the clip was cut for, but not beyond the
    middle of the pause before it, nor beyond the shot; likewise at the end. The clip was cut for the sentences of
    which it holds at least half of the words; None if there is none.
    """
    cut_for = [
        sentence
        for sentence in video.told_in(row.start_s, row.end_s)
        if 2 * len(words_inside(sentence, row)) >= len(sentence.words)
    ]
    if not cut_for:
        return None
    first, last = cut_for[0], cut_for[-1]
    at = video.sentences.index
    before_s = video.sentences[at(first) - 1].end_s if at(first) else 0.0
    follows = at(last) + 1 < len(video.sentences)
    after_s = video.sentences[at(last) + 1].start_s if follows else video.duration_s
    start_s = first.start_s - min(padding_s, max(0.0, first.start_s - before_s) / (2 if at(first) else 1))
    end_s = last.end_s + min(padding_s, max(0.0, after_s - last.end_s) / (2 if follows else 1))
    if first.shot is not None:
        start_s = max(start_s, video.shots[first.shot].start_s)
    if last.shot is not None:
        end_s = min(end_s, video.shots[last.shot].end_s)
    return abs(row.start_s - start_s), abs(row.end_s - end_s)


def words_inside(sentence: SentenceTruth, row: ClipRow) -> list[str]:
    """The words of a sentence whose middle lies in the clip."""
    return [word.text for word in sentence.words if row.start_s <= (word.start_s + word.end_s) / 2 < row.end_s]


def _mark(sentence: SentenceTruth, video: VideoTruth, row: ClipRow, heard: str) -> Mark:
    if sentence.kind is Kind.FILLER:
        return "aside"
    if not video.is_good(sentence):
        return "wrong"
    if len(words_inside(sentence, row)) < len(sentence.words):
        return "torn"
    return "right" if f" {_plain(sentence.text)} " in heard else "misheard"


def _shows(good: list[SentenceTruth], video: VideoTruth, row: ClipRow) -> bool:
    shots = {sentence.shot for sentence in good}
    if len(shots) > 1 or None in shots:
        return False
    (index,) = shots
    assert index is not None, "None was looked for above"
    shot = video.shots[index]
    shown_s = min(row.end_s, shot.end_s) - max(row.start_s, shot.start_s)
    return shown_s >= SHOWN_SHARE * (row.end_s - row.start_s)


def _plain(text: str) -> str:
    """Words in lower case with one space between, without signs."""
    return " ".join(re.findall(r"\w+", text.lower()))
