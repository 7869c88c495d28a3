"""Sentences x shots -> segments. Pure: no files, no clock, the same answer every time.

How, and why so:

1. Words are dealt to the shots they lie in. **A sentence that straddles a cut is split at the cut**: what is
   said after the cut is about, or at least over, the new picture, and a clip may not show two shots.
2. Of such a sentence a part that is both the smaller half and shorter than `min_clip_s` is a scrap ("...of the
   world.") and is left out; so is the word that the cut itself goes through.
3. Parts longer than `max_clip_s` are split: at their longest pause, else after a comma, else between words, near
   the middle.
4. Within a shot, parts with pauses of `join_pause_s` or less are joined so that as little speech as possible is
   lost to `min_clip_s`, with as few segments as possible.
5. Half of the pause before and after, but no more than `padding_s`, is kept.

Words are left out that lie outside every shot, are cut through, are scraps, or stand alone for less than
`min_clip_s` with nothing near to join; and all after `max_clips` segments.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise

from vta_stream.domain.clip import Segment, Span
from vta_stream.domain.transcript import Cue, Word
from vta_stream.settings.work import SegmentSettings
from vta_stream.stages.sentences import Sentence, ends_clause, join_words, sentences

_CUT_TOLERANCE_S = 0.15
"""Word times are off by so much: a word that reaches this far past a cut is not cut through."""

_PAUSE_MIN_S = 0.15
"""A shorter gap between words is articulation, no pause."""

_MS = 1000


@dataclass(frozen=True, slots=True)
class _Part:
    """What one sentence says in one shot: one or more words, in reading order."""

    shot: int
    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        return min(word.start_s for word in self.words)

    @property
    def end_s(self) -> float:
        return max(word.end_s for word in self.words)


def choose_segments(cues: Sequence[Cue], shots: Sequence[Span], settings: SegmentSettings) -> tuple[Segment, ...]:
    """The segments of a video: in order, disjoint, each inside one shot and within the length limits.

    `shots` are in order and disjoint. A segment's `text` is its words, each of which is in one segment at
    most; word times lie inside the segment, and are interpolated where a cue has none of its own. Spans are
    whole milliseconds, as clip IDs are. Without a single word the shots themselves become segments without
    text, if the settings say so; shots too long are divided evenly, shots too short are left out.
    """
    spoken = sentences(cues, settings.sentence_pause_s)
    if not spoken:
        return _silent(shots, settings) if settings.without_speech == "shots" else ()
    room = _Room(spoken, shots, settings)
    parts = [part for whole in _parts(spoken, shots, settings) for part in _fit(whole, settings)]
    chosen: list[Segment] = []
    for run in _runs(parts, settings.join_pause_s):
        for words, span in _group(run, room, settings.max_clip_s):
            # Where words touch, the middle of their pause may lie inside the segment before.
            start_s = max(span.start_s, chosen[-1].span.end_s) if chosen else span.start_s
            if round(span.end_s - start_s, 3) >= settings.min_clip_s:
                chosen.append(_segment(words, Span(start_s, span.end_s)))
    return tuple(chosen[: settings.max_clips])


def _silent(shots: Sequence[Span], settings: SegmentSettings) -> tuple[Segment, ...]:
    spans: list[Span | None] = []
    for shot in shots:
        pieces = max(1, math.ceil(round(shot.duration_s / settings.max_clip_s, 6)))
        step_s = shot.duration_s / pieces
        bounds = [shot.start_s + step_s * piece for piece in range(pieces)] + [shot.end_s]
        spans += [_span(start_s, end_s, settings) for start_s, end_s in pairwise(bounds)]
    return tuple(Segment(span, "") for span in spans if span is not None)[: settings.max_clips]


def _parts(spoken: Sequence[Sentence], shots: Sequence[Span], settings: SegmentSettings) -> list[_Part]:
    """Rules 1 and 2."""
    found: list[_Part] = []
    first = 0
    for sentence in spoken:
        while first < len(shots) and shots[first].end_s <= sentence.start_s - _CUT_TOLERANCE_S:
            first += 1
        dealt: dict[int, list[Word]] = {}
        for word in sentence.words:
            placed = _place(word, shots, first)
            if placed is not None:
                dealt.setdefault(placed[0], []).append(placed[1])
        for shot, words in sorted(dealt.items()):
            part = _Part(shot, tuple(words))
            scrap = 2 * len(words) < len(sentence.words) and part.end_s - part.start_s < settings.min_clip_s
            if not scrap:
                found.append(part)
    return found


def _place(word: Word, shots: Sequence[Span], first: int) -> tuple[int, Word] | None:
    """The shot that holds the word, but for the tolerance, and the word trimmed to it."""
    for index in range(first, len(shots)):
        shot = shots[index]
        if shot.start_s > word.end_s:
            return None
        start_s, end_s = max(word.start_s, shot.start_s), min(word.end_s, shot.end_s)
        lost_s = (word.end_s - word.start_s) - (end_s - start_s)
        if lost_s <= min(_CUT_TOLERANCE_S, (word.end_s - word.start_s) / 2) and start_s <= end_s:
            return index, replace(word, start_s=start_s, end_s=end_s)
    return None


def _fit(part: _Part, settings: SegmentSettings) -> list[_Part]:
    """Rule 3. Where people speak at once and for too long, the words are put in the order of their times."""
    if part.end_s - part.start_s <= settings.max_clip_s:
        return [part]
    words = sorted(part.words, key=lambda word: (word.start_s, word.end_s))
    words = [replace(a, end_s=min(a.end_s, b.start_s)) for a, b in pairwise(words)] + words[-1:]
    waiting = [words]
    pieces: list[_Part] = []
    while waiting:
        run = waiting.pop()
        if run[-1].end_s - run[0].start_s <= settings.max_clip_s:
            pieces.append(_Part(part.shot, tuple(run)))
        elif len(run) > 1:
            at = _split_at(run, settings.min_clip_s)
            waiting += [run[at:], run[:at]]
        # A single "word" that is longer than a clip is no word; it is left out.
    return pieces


def _split_at(words: Sequence[Word], min_clip_s: float) -> int:
    """Index of the first word after the best place to split."""
    middle_s = (words[0].start_s + words[-1].end_s) / 2

    def worth(at: int) -> tuple[bool, float, bool, float]:
        before, after = words[at - 1], words[at]
        whole = min(before.end_s - words[0].start_s, words[-1].end_s - after.start_s) >= min_clip_s
        pause_s = after.start_s - before.end_s
        off_middle_s = abs(middle_s - (before.end_s + after.start_s) / 2)
        return whole, pause_s if pause_s >= _PAUSE_MIN_S else 0.0, ends_clause(before.text), -off_middle_s

    return max(range(1, len(words)), key=worth)


def _runs(parts: Iterable[_Part], join_pause_s: float) -> Iterable[list[_Part]]:
    """Parts of one shot that may be joined, one after the other."""
    for _, in_shot in groupby(sorted(parts, key=lambda part: part.start_s), key=lambda part: part.shot):
        run: list[_Part] = []
        for part in in_shot:
            if run and part.start_s - run[-1].end_s > join_pause_s:
                yield run
                run = []
            run.append(part)
        yield run


def _group(run: Sequence[_Part], room: _Room, max_clip_s: float) -> Iterator[tuple[list[Word], Span]]:
    """Rule 4: of all ways to cut the run into groups the one that loses least speech, then has fewest groups."""
    best: list[tuple[float, int, int]] = [(0.0, 0, 0)]
    for end in range(1, len(run) + 1):
        options = []
        for begin in range(end - 1, -1, -1):
            length_s = run[end - 1].end_s - run[begin].start_s
            if length_s > max_clip_s:
                break
            lost_s, count, _ = best[begin]
            lost_s += length_s if room.span(run[begin], run[end - 1]) is None else 0.0
            options.append((lost_s, count + 1, begin))
        best.append(min(options))
    groups, end = [], len(run)
    while end:
        groups.append(run[best[end][2] : end])
        end = best[end][2]
    for group in reversed(groups):
        span = room.span(group[0], group[-1])
        if span is not None:
            yield [word for part in group for word in part.words], span


def _segment(words: Sequence[Word], span: Span) -> Segment:
    inside = tuple(_within(word, span) for word in words)
    return Segment(span, join_words(inside), inside)


def _within(word: Word, span: Span) -> Word:
    """The word trimmed to the span, which lies within a millisecond of it."""
    start_s = min(max(word.start_s, span.start_s), span.end_s)
    return replace(word, start_s=start_s, end_s=min(max(word.end_s, start_s), span.end_s))


class _Room:
    """Rule 5: how far a segment may reach beyond its words."""

    def __init__(self, spoken: Sequence[Sentence], shots: Sequence[Span], settings: SegmentSettings) -> None:
        words = sorted((word for sentence in spoken for word in sentence.words), key=lambda word: word.start_s)
        self._starts = [word.start_s for word in words]
        self._reached = list(accumulate((word.end_s for word in words), max))
        self._shots = shots
        self._settings = settings

    def span(self, first: _Part, last: _Part) -> Span | None:
        """The span of a segment from `first` to `last`; None if it is shorter than a clip may be."""
        start_s, end_s, shot = first.start_s, last.end_s, self._shots[first.shot]
        before, after = bisect.bisect_left(self._starts, start_s), bisect.bisect_left(self._starts, end_s)
        low_s = (min(self._reached[before - 1], start_s) + start_s) / 2 if before else 0.0
        high_s = (self._starts[after] + end_s) / 2 if after < len(self._starts) else math.inf
        padding_s = min(self._settings.padding_s, (self._settings.max_clip_s - (end_s - start_s)) / 2)
        return _span(
            max(start_s - padding_s, low_s, shot.start_s), min(end_s + padding_s, high_s, shot.end_s), self._settings
        )


def _span(start_s: float, end_s: float, settings: SegmentSettings) -> Span | None:
    """Rounded inwards to milliseconds; None if that is shorter than a clip may be."""
    start_ms = math.ceil(round(start_s * _MS, 3))
    end_ms = min(math.floor(round(end_s * _MS, 3)), start_ms + math.floor(settings.max_clip_s * _MS))
    if end_ms - start_ms < settings.min_clip_s * _MS:
        return None
    return Span(start_ms / _MS, end_ms / _MS)
