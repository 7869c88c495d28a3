"""Raw cues to cues: rolling repeats undone, times sane, words timed where the file times them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from vta_stream.domain.transcript import Cue, Word
from vta_stream.media.subtitles.base import Line, RawCue
from vta_stream.media.subtitles.cleaning import plain, spoken, unspoken

_CONTIGUOUS_S = 0.1
"""Rolling cues follow each other without a gap; a repeat after a longer one was said again."""

_ROLLING_REPEATS_MIN = 3
_ROLLING_SHARE_MIN = 0.5
"""Subtitles roll if so many, and such a share, of the cues that follow another begin with its last line."""

_WORD_BASE_S, _WORD_PER_CHARACTER_S = 0.3, 0.08
"""A word lasts no longer than this, where only starts are known: "what" 0.62 s, "everyone" 0.94 s. The display
of automatic captions ends when the next line comes, which may be long after the word."""

_WORD_MIN_S = 0.02


def spoken_cues(raw: Sequence[RawCue], *, rolling: bool, duration_s: float | None) -> tuple[Cue, ...]:
    """Clean cues in order of their start, within 0 and `duration_s`.

    `rolling`: the lines of a cue may repeat those that the cue before it showed; they are taken once. It is
    also found out where the file plainly rolls. A cue that ends before it starts, or starts after the media
    ends, has no place in it and is left out; of one that the end cuts, the words are kept that are over by then.
    """
    limit_s = float("inf") if duration_s is None else duration_s
    cues = sorted(_within(raw, limit_s), key=lambda cue: cue.start_s)
    if rolling or _rolls(cues):
        cues = _unroll(cues)
    if any(piece.start_s is not None for cue in cues for line in cue.lines for piece in line):
        return _timed(cues, limit_s)
    result = []
    for cue in cues:
        end_s = min(cue.end_s, limit_s)
        text = _first(_said(cue), (end_s - cue.start_s) / (cue.end_s - cue.start_s))
        if text:
            result.append(Cue(text, round(cue.start_s, 3), round(end_s, 3)))
    return tuple(result)


def _within(raw: Sequence[RawCue], limit_s: float) -> list[RawCue]:
    started = (replace(cue, start_s=max(0.0, cue.start_s)) for cue in raw)
    return [cue for cue in started if cue.start_s < min(cue.end_s, limit_s) and cue.end_s < float("inf")]


def _first(text: str, share: float) -> str:
    """The words of `text` that are over when `share` of it is spoken, at an even pace."""
    if share >= 1:
        return text
    return text[: int(share * len(text)) + 1].rpartition(" ")[0]


def _said(cue: RawCue) -> str:
    return " ".join(filter(None, (spoken(_text(line)) for line in cue.lines)))


def _text(line: Line) -> str:
    return "".join(piece.text for piece in line)


def _shown(cue: RawCue) -> list[str]:
    return [text for line in cue.lines if (text := plain(_text(line)))]


def _repeated(before: RawCue | None, cue: RawCue) -> int:
    """How many of the first lines of `cue` were the last lines of the one before it."""
    if before is None or cue.start_s - before.end_s > _CONTIGUOUS_S:
        return 0
    old, new = _shown(before), _shown(cue)
    return next((count for count in range(min(len(old), len(new)), 0, -1) if old[-count:] == new[:count]), 0)


def _rolls(cues: Sequence[RawCue]) -> bool:
    repeats = sum(_repeated(before, cue) > 0 for before, cue in pairwise(cues))
    return repeats >= _ROLLING_REPEATS_MIN and repeats >= _ROLLING_SHARE_MIN * (len(cues) - 1)


def _unroll(cues: Sequence[RawCue]) -> list[RawCue]:
    """Every line once, in the cue that showed it first."""
    result: list[RawCue] = []
    before: RawCue | None = None
    for cue in cues:
        lines = [line for line in cue.lines if plain(_text(line))]
        new = lines[_repeated(before, cue) :]
        if new:
            result.append(replace(cue, lines=tuple(new)))
        before = cue
    return result


def _timed(cues: Sequence[RawCue], limit_s: float) -> tuple[Cue, ...]:
    """Cues with words. A word ends where the next begins, or after the longest time a word takes."""
    starts: list[list[tuple[str, float]]] = [_word_starts(cue) for cue in cues]
    result = []
    for index, (cue, words) in enumerate(zip(cues, starts, strict=True)):
        following = next((later[0][1] for later in starts[index + 1 :] if later), limit_s)
        words = [(text, start_s) for text, start_s in words if start_s < limit_s]
        if not words:
            continue
        ends = [start_s for _, start_s in words[1:]] + [max(following, words[-1][1])]
        timed = tuple(
            _word(text, start_s, min(end_s, limit_s)) for (text, start_s), end_s in zip(words, ends, strict=True)
        )
        whole = len(words) == len(starts[index])
        text = _said(cue) if whole else " ".join(word.text for word in timed)
        result.append(Cue(text, timed[0].start_s, max(word.end_s for word in timed), timed))
    return tuple(result)


def _word(text: str, start_s: float, end_s: float) -> Word:
    end_s = max(min(end_s, start_s + _longest_s(text)), start_s + _WORD_MIN_S)
    return Word(text, round(start_s, 3), round(end_s, 3))


def _longest_s(word: str) -> float:
    return _WORD_BASE_S + _WORD_PER_CHARACTER_S * len(word)


def _word_starts(cue: RawCue) -> list[tuple[str, float]]:
    """The spoken words of a cue and when each starts; words without a time share the time up to the next one."""
    tokens = [token for line in cue.lines for token in _tokens(line)]
    if not tokens:
        return []
    known: list[float | None] = [start_s for _, start_s in tokens]
    if known[0] is None:
        known[0] = cue.start_s
    words: list[tuple[str, float]] = []
    index = 0
    while index < len(tokens):
        until = next((later for later in range(index + 1, len(tokens)) if known[later] is not None), len(tokens))
        start_s = max(known[index] or 0.0, words[-1][1] if words else 0.0)
        end_s = known[until] if until < len(tokens) else cue.end_s
        group = [text for text, _ in tokens[index:until]]
        step_s = max(0.0, min((end_s or 0.0) - start_s, sum(map(_longest_s, group)))) / sum(map(len, group))
        for text in group:
            words.append((text, start_s))
            start_s += step_s * len(text)
        index = until
    return words


def _tokens(line: Line) -> list[tuple[str, float | None]]:
    """Spoken tokens of a line, with the time of the first in each piece."""
    tokens: list[tuple[str, float | None]] = []
    for piece in line:
        parts = plain(piece.text).split()
        tokens.extend((part, piece.start_s if number == 0 else None) for number, part in enumerate(parts))
    text = " ".join(part for part, _ in tokens)
    silent = unspoken(text)
    kept, at = [], 0
    for part, start_s in tokens:
        end = at + len(part)
        if any(c.isalnum() for c in part) and not any(at < stop and begin < end for begin, stop in silent):
            kept.append((part, start_s))
        at = end + 1
    return kept
