"""The pieces that text is written in, and what a window's speech looks like in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from vta_stream.toyworld.whisper_format import SPECIAL, TIME_STEP_S, TIMES, first_time, number_of
from vta_stream.toyworld.world.speech import SpokenWord

LATEST_BEGINNING_S = 1.0
"""faster-whisper allows no later time as the first of a window (`max_initial_timestamp`)."""

IGNORED = -100
LETTERS = " abcdefghijklmnopqrstuvwxyz"
_PIECES = 590


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence in a window; `end_s` of the last word may be later than the window: then it is cut off."""

    words: tuple[SpokenWord, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """What the decoder reads, what it should say after each piece, and when each of these is said.

    All of equal length. `spans_s` is (start, end) in the window, or None where the attention is free. `letters` are
    the numbers in `LETTERS` of what is said.
    """

    read: list[int]
    said: list[int]
    spans_s: list[tuple[float, float] | None]
    letters: list[int]


class Pieces:
    """Whisper's text pieces by byte-level BPE, its special pieces, and the times."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size()) + TIMES

    def number(self, piece: str) -> int:
        """The number of a piece that there has to be."""
        return number_of(self.tokenizer, piece)

    @cached_property
    def end(self) -> int:
        """The number of <|endoftext|>; all below are text."""
        return self.number(SPECIAL[0])

    @cached_property
    def _first_time(self) -> int:
        return first_time(self.tokenizer)

    def time(self, time_s: float) -> int:
        """The piece of a time."""
        return self._first_time + min(TIMES - 1, max(0, round(time_s / TIME_STEP_S)))

    def label(self, utterances: Sequence[Utterance], *, timed: bool, from_s: float, to_s: float) -> Label:
        """What is said in a window that shows `from_s` to `to_s`: times at both ends of each sentence, if `timed`.

        The last time is said twice. One alone means to faster-whisper that nothing follows in the window: it goes on at
        the window's end, and of a sentence that was cut off there it never hears the beginning. After two it goes on
        behind the last word. A sentence that the window cuts off is left out; untimed windows must not cut. The last
        piece of a sentence, its full stop, is `said` up to the next sentence: so a pause belongs to no word. Without
        sentences it is <|nospeech|>, and no text.
        """
        whole = [one for one in utterances if one.words[-1].end_s <= to_s]
        start = self.number("<|startoftranscript|>")
        if not utterances:
            # Generation may not say <|nospeech|>: where it says a time instead, let the end follow.
            silent = self.time(0.0)
            return Label([start, silent], [self.number("<|nospeech|>"), self.end], [None, None], [])
        said, spans_s = list[int](), list[tuple[float, float] | None]()
        for index, one in enumerate(whole):
            first_s, last_s = one.words[0].start_s, one.words[-1].end_s
            after = utterances[index + 1].words[0].start_s if index + 1 < len(utterances) else to_s
            if timed:
                # In use a window begins at 0.0, and says no time over a second first.
                early = index == 0 and from_s == 0.0
                said.append(self.time(min(first_s, LATEST_BEGINNING_S) if early else first_s))
                spans_s.append(None)
            for piece, span_s in self._spoken(one, after):
                said.append(piece)
                spans_s.append(span_s)
            if timed:
                said.append(self.time(last_s))
                spans_s.append(None)
        if timed:
            if not said:
                said.append(self.time(from_s + min(utterances[0].words[0].start_s - from_s, LATEST_BEGINNING_S)))
                spans_s.append(None)
            said.append(said[-1])
            spans_s.append(None)
        head = [start] if timed else [start, self.number("<|notimestamps|>")]
        skipped = [IGNORED] * (len(head) - 1)
        text = " ".join(word.text.lower() for one in whole for word in one.words)
        letters = [LETTERS.index(letter) for letter in text if letter in LETTERS]
        return Label(head + said, [*skipped, *said, self.end], [*([None] * len(skipped)), *spans_s, None], letters)

    def _spoken(self, utterance: Utterance, until_s: float) -> list[tuple[int, tuple[float, float]]]:
        """The sentence's pieces, each with its share of its word's time by letters."""
        found: list[tuple[int, tuple[float, float]]] = []
        words = utterance.words
        for word, following in zip(words, [*words[1:], None], strict=True):
            ends_s = following.start_s if following else until_s
            encoded = self.tokenizer.encode(" " + word.text)
            letters = [sum(map(str.isalnum, piece)) for piece in encoded.tokens]
            # What is no letter (a comma, a full stop) comes last, and gets the pause.
            sound_end_s = word.end_s if letters[-1] == 0 else ends_s
            at_s, total = word.start_s, max(1, sum(letters))
            for piece, count in zip(encoded.ids, letters, strict=True):
                until = at_s + (sound_end_s - word.start_s) * count / total if count else ends_s
                found.append((piece, (at_s, until)))
                at_s = until
        return found


def make_pieces(texts: Sequence[str]) -> Pieces:
    """Pieces learnt from what is said in the world. Any text can be written with them, byte by byte if need be."""
    # faster-whisper suppresses the first piece of " -", " '" and " ♪": without pieces of their own, every space.
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_PIECES, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    rare = [" -", " '", " ♪"] * len(texts)
    tokenizer.train_from_iterator([" " + text for text in texts] + rare, trainer)
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in SPECIAL])
    return Pieces(tokenizer)
