"""What strangers wrote (titles, messages, sites' errors) must not steer the terminal of who reads it."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text, a replacement character in the place of every control character but tabs and line ends."""
    return "".join(
        letter if letter.isprintable() or letter in "\t\n" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
