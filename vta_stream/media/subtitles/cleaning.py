"""From marked-up subtitle text to what is said."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</>|<(?:\d+:)?\d+:\d\d[.,]\d+>|\{\\[^{}]*\}")
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")
_SPEAKER = re.compile(r"^\s*(?:[-‐‑–—](?!\d)\s*|>{2,}\s*)+|(?<!\S)>{2,}(?=\s|$)")
_LABEL = re.compile(r"^\s*[A-Z][A-Z0-9 .'’#&-]{0,28}[A-Z0-9.]:\s+(?=\S)")
_ANNOTATION = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|【[^【】]*】|\*[^*\s][^*]*\*")
_SONG = re.compile(r"[♪♫♬♩][^♪♫♬♩]*[♪♫♬♩]|^\s*[♪♫♬♩].*$|[♪♫♬♩]")


def plain(markup: str) -> str:
    """Text without tags, entities and invisible characters; inner white space becomes single spaces."""
    text = html.unescape(_TAG.sub("", markup))
    return " ".join(_INVISIBLE.sub("", text).split())


def unspoken(text: str) -> list[tuple[int, int]]:
    """The character ranges of a plain line that nobody says, as (start, end).

    Those are speaker dashes and `>>`, labels in capitals (`NARRATOR:`, only before a line that is not all
    in capitals), sounds in brackets or between asterisks, and songs between notes: sung words are no speech.
    """
    ranges = [match.span() for pattern in (_SPEAKER, _ANNOTATION, _SONG) for match in pattern.finditer(text)]
    after_dash = max((end for start, end in ranges if not text[:start].strip()), default=0)
    label = _LABEL.match(text[after_dash:])
    if label and any(letter.islower() for letter in text[after_dash + label.end() :]):
        ranges.append((after_dash, after_dash + label.end()))
    return sorted(ranges)


def spoken(markup: str) -> str:
    """What is said in one marked-up line; empty if nothing is."""
    text = plain(markup)
    kept, at = [], 0
    for start, end in unspoken(text):
        kept.append(text[at:start])
        at = max(at, end)
    kept.append(text[at:])
    said = " ".join(" ".join(kept).split())
    return re.sub(r"\s+([,.!?;:…])", r"\1", said) if any(character.isalnum() for character in said) else ""
