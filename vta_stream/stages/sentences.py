"""Cues to words, and words to sentences. Pure: no files, no clock, the same answer every time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vta_stream.domain.transcript import Cue, Word

PACE_S_PER_CHARACTER = 0.25
"""No cue is spoken slower than this (4 characters a second; slow readers do 10). A caption that stays longer
is taken to be spoken from its start and then only to stay on the screen."""

_HAN_KANA = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SPACELESS_CHARACTER = re.compile(f"[{_HAN_KANA}、。，．！？」』\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_TOKEN = re.compile(f"[{_HAN_KANA}][、。，．！？」』]*|[^\\s{_HAN_KANA}]+")
_END = re.compile(r"""[.!?…。！？．]+["'”’»)\]」』]*$""")
_CLAUSE = re.compile(r"""[,;:—–、，；：]["'”’»)\]]*$""")
_NO_END = re.compile(r"(?:\b(?i:mr|mrs|ms|dr|prof|st|sr|jr|vs|e\.g|i\.e)|(?<![^\W_])[A-HJ-Z])\.$")
_JITTER_S = 0.2
"""Cues that overlap by no more follow each other: the earlier one's end is late."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words that belong together, in reading order; `start_s` and `end_s` enclose them all.

    Words overlap in time only where two people speak at once.
    """

    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        """When the first of the words starts."""
        return min(word.start_s for word in self.words)

    @property
    def end_s(self) -> float:
        """When the last of the words ends."""
        return max(word.end_s for word in self.words)


def join_words(words: Iterable[Word]) -> str:
    """The words as text: a space between them, but none between characters of scripts that use none."""
    text = ""
    for word in words:
        tight = text and _SPACELESS_CHARACTER.match(word.text) and _SPACELESS_CHARACTER.search(text[-1])
        text += word.text if not text or tight else f" {word.text}"
    return text


def timed_words(cue: Cue) -> tuple[Word, ...]:
    """The words of a cue with times: its own, else *interpolated* by characters, no slower than people speak.

    Interpolated times are good to about half a second in a cue of a few seconds. They are not marked in the
    words; that a transcript has them is seen from its cues, whose `words` are empty. A word of no length is
    kept, for Whisper gives some; one that ends before it starts is left out.
    """
    if cue.words:
        stripped = (Word(word.text.strip(), word.start_s, word.end_s, word.probability) for word in cue.words)
        return tuple(word for word in stripped if word.text and 0 <= word.start_s <= word.end_s)
    tokens = _TOKEN.findall(cue.text)
    length = sum(map(len, tokens))
    if not tokens or not 0 <= cue.start_s < cue.end_s:
        return ()
    spoken_s = min(cue.end_s - cue.start_s, PACE_S_PER_CHARACTER * length)
    words, before = [], 0
    for token in tokens:
        start_s = cue.start_s + spoken_s * before / length
        before += len(token)
        words.append(Word(token, start_s, cue.start_s + spoken_s * before / length))
    return tuple(words)


def sentences(cues: Sequence[Cue], sentence_pause_s: float) -> tuple[Sentence, ...]:
    """The sentences of a transcript, in order of their start and disjoint in time.

    A sentence ends at `.`, `!`, `?` or their like (not at abbreviations and initials), and before a pause of
    `sentence_pause_s` or more. Cues do not end sentences: captions are broken to fit the screen. Sentences
    that overlap in time, because cues do, become one: what is said at once cannot be cut apart.
    """
    found: list[list[Word]] = []
    pause_from_s: float | None = None
    for cue in sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)):
        for word in timed_words(cue):
            if pause_from_s is None or word.start_s - pause_from_s >= sentence_pause_s:
                found.append([])
                pause_from_s = word.end_s
            found[-1].append(word)
            pause_from_s = None if ends_sentence(word.text) else max(pause_from_s, word.end_s)
    return _disjoint(Sentence(tuple(words)) for words in found)


def _disjoint(found: Iterable[Sentence]) -> tuple[Sentence, ...]:
    runs: list[list[Word]] = []
    end_s = -1.0
    for sentence in sorted(found, key=lambda sentence: sentence.start_s):
        start_s, words = sentence.start_s, list(sentence.words)
        if not runs or end_s <= start_s:
            runs.append(words)
        elif end_s - start_s <= _JITTER_S and all(word.start_s < start_s for word in runs[-1]):
            runs[-1] = [replace(word, end_s=min(word.end_s, start_s)) for word in runs[-1]]
            runs.append(words)
        else:
            runs[-1] += words
        end_s = max(end_s, sentence.end_s)
    return tuple(Sentence(tuple(words)) for words in runs)


def ends_sentence(word: str) -> bool:
    """True if a sentence ends with this word: `it.`, `what?"`, `。`; but not `Dr.`, `e.g.` or the initial `J.`"""
    return bool(_END.search(word)) and not _NO_END.search(word)


def ends_clause(word: str) -> bool:
    """True if a comma, colon, semicolon or dash follows the word."""
    return bool(_CLAUSE.search(word))
