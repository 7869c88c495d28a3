"""Which word that was heard is which that was said: the alignment with the fewest errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Timed(Protocol):
    """A word of whatever kind."""

    @property
    def text(self) -> str:
        """As it is written."""

    @property
    def start_s(self) -> float:
        """When it begins."""


@dataclass(frozen=True, slots=True)
class PlainWord:
    """A word in lower case without signs."""

    text: str
    start_s: float


Pair = tuple[PlainWord | None, PlainWord | None]


def plain_words(words: Iterable[Timed]) -> list[PlainWord]:
    """Words as they are compared; what is of signs alone is none."""
    plain = (PlainWord(re.sub(r"[^\w']", "", word.text.lower()), word.start_s) for word in words)
    return [word for word in plain if word.text]


def align(said: Sequence[PlainWord], heard: Sequence[PlainWord]) -> list[Pair]:
    """Pairs of a word said and a word heard, in order; None where one is left out or made up.

    Of the alignments with the fewest errors (a wrong word, one left out and one made up count alike) the one that
    keeps the most pairs.
    """
    rows, columns = len(said), len(heard)
    costs = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows + 1):
        for column in range(columns + 1):
            if not row or not column:
                costs[row][column] = row + column
                continue
            wrong = said[row - 1].text != heard[column - 1].text
            costs[row][column] = min(
                costs[row - 1][column - 1] + wrong, costs[row - 1][column] + 1, costs[row][column - 1] + 1
            )
    pairs: list[Pair] = []
    row, column = rows, columns
    while row or column:
        cost = costs[row][column]
        if row and column:
            wrong = said[row - 1].text != heard[column - 1].text
            if costs[row - 1][column - 1] + wrong == cost:
                row, column = row - 1, column - 1
                pairs.append((said[row], heard[column]))
                continue
        if row and costs[row - 1][column] + 1 == cost:
            row -= 1
            pairs.append((said[row], None))
        else:
            column -= 1
            pairs.append((None, heard[column]))
    return pairs[::-1]
