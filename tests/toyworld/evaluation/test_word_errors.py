import random
from itertools import product

import pytest

from vta_stream.domain.transcript import Word
from vta_stream.toyworld.evaluation.word_errors import PlainWord, align, plain_words


def plain(text: str) -> list[PlainWord]:
    return [PlainWord(word, float(index)) for index, word in enumerate(text.split())]


def texts(said: str, heard: str) -> list[tuple[str | None, str | None]]:
    return [(one and one.text, other and other.text) for one, other in align(plain(said), plain(heard))]


@pytest.mark.parametrize(
    ("said", "heard", "pairs"),
    [
        ("a red star", "a red star", [("a", "a"), ("red", "red"), ("star", "star")]),
        ("a red star", "a star", [("a", "a"), ("red", None), ("star", "star")]),
        ("a star", "a red star", [("a", "a"), (None, "red"), ("star", "star")]),
        ("a red star", "a blue star", [("a", "a"), ("red", "blue"), ("star", "star")]),
        ("", "a star", [(None, "a"), (None, "star")]),
        ("a", "", [("a", None)]),
        ("", "", []),
    ],
)
def test_pairs(said: str, heard: str, pairs: list[tuple[str | None, str | None]]) -> None:
    assert texts(said, heard) == pairs


def test_no_alignment_has_fewer_errors() -> None:
    """Against all ways to align short texts."""

    def fewest(said: str, heard: str) -> int:
        if not said or not heard:
            return len(said) + len(heard)
        return min(
            fewest(said[1:], heard[1:]) + (said[0] != heard[0]),
            fewest(said[1:], heard) + 1,
            fewest(said, heard[1:]) + 1,
        )

    rng = random.Random(0)
    for long, short in product(range(6), repeat=2):
        said, heard = ("".join(rng.choices("ab", k=count)) for count in (long, short))
        found = texts(" ".join(said), " ".join(heard))
        assert sum(one != other for one, other in found) == fewest(said, heard)
        assert "".join(one for one, _ in found if one) == said
        assert "".join(other for _, other in found if other) == heard


def test_case_and_signs_are_no_errors() -> None:
    words = [Word("Don't", 0.5, 0.6), Word("-", 0.6, 0.6), Word("STOP.", 0.7, 0.9)]
    assert plain_words(words) == [PlainWord("don't", 0.5), PlainWord("stop", 0.7)]
