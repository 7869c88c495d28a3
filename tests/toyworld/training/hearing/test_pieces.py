import pytest

from vta_stream.toyworld.training.hearing.pieces import IGNORED, LETTERS, Label, Pieces, Utterance, make_pieces
from vta_stream.toyworld.whisper_format import SPECIAL
from vta_stream.toyworld.world.speech import SpokenWord
from vta_stream.toyworld.world.vocabulary import FILLERS


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return make_pieces(FILLERS)


def utterance(start_s: float, text: str) -> Utterance:
    """Each word takes 0.4 s of half a second."""
    return Utterance(
        tuple(SpokenWord(word, start_s + at / 2, start_s + at / 2 + 0.4) for at, word in enumerate(text.split()))
    )


def shown(pieces: Pieces, numbers: list[int]) -> list[str]:
    zero = pieces.time(0.0)
    return [
        "-" if one == IGNORED else f"{(one - zero) * 0.02:.2f}" if one >= zero else pieces.tokenizer.id_to_token(one)
        for one in numbers
    ]


def label(pieces: Pieces, *said: Utterance, timed: bool = True, from_s: float = 0.0, to_s: float = 30.0) -> Label:
    made = pieces.label(said, timed=timed, from_s=from_s, to_s=to_s)
    assert len(made.read) == len(made.said) == len(made.spans_s)
    return made


GO, WELL = "Let us go on.", "Well, that was easy."


def test_any_text_can_be_written_and_read_back(pieces: Pieces) -> None:
    for text in (*FILLERS, "naïve – 42 ♪ 'so' -it- goes"):
        assert pieces.tokenizer.decode(pieces.tokenizer.encode(text).ids) == text
    assert len(pieces) < 51_865
    assert [pieces.number(one) - pieces.end for one in SPECIAL] == list(range(len(SPECIAL)))
    assert pieces.time(30.0) == len(pieces) - 1


@pytest.mark.parametrize("sign", ["-", "'", "♪"])
def test_what_faster_whisper_suppresses_is_no_space(pieces: Pieces, sign: str) -> None:
    """It suppresses the first piece of these."""
    first = pieces.tokenizer.encode(f" {sign}").ids[0]
    assert first != pieces.number("Ġ")
    assert not any(first in pieces.tokenizer.encode(f" {text}").ids for text in FILLERS)


def test_timed_sentences(pieces: Pieces) -> None:
    made = label(pieces, utterance(0.5, GO), utterance(4.0, WELL))
    expected = ["0.50", "ĠLet", "Ġus", "Ġgo", "Ġon", ".", "2.40"]
    expected += ["4.00", "ĠWell", ",", "Ġthat", "Ġwas", "Ġeasy", ".", "5.90", "5.90", "<|endoftext|>"]
    assert shown(pieces, made.said) == expected, "the last time twice, so that the next window begins there"
    assert shown(pieces, made.read) == ["<|startoftranscript|>", *expected[:-1]]
    assert "".join(LETTERS[letter] for letter in made.letters) == "let us go on well that was easy"


def test_untimed_sentences(pieces: Pieces) -> None:
    made = label(pieces, utterance(0.5, GO), timed=False)
    expected = ["ĠLet", "Ġus", "Ġgo", "Ġon", ".", "<|endoftext|>"]
    assert shown(pieces, made.said) == ["-", *expected]
    assert shown(pieces, made.read) == ["<|startoftranscript|>", "<|notimestamps|>", *expected[:-1]]


@pytest.mark.parametrize("timed", [True, False])
def test_each_piece_has_its_words_time_and_a_full_stop_the_pause(pieces: Pieces, timed: bool) -> None:
    made = label(pieces, utterance(0.5, GO), utterance(4.0, WELL), timed=timed, to_s=8.0)
    spans = dict(zip(shown(pieces, made.said), made.spans_s, strict=True))
    assert spans["ĠLet"] == (0.5, 1.0)
    assert spans["Ġon"] == (2.0, 2.4)
    assert spans["ĠWell"] == (4.0, 4.4)
    assert spans[","] == (4.4, 4.5)
    assert [span for piece, span in zip(shown(pieces, made.said), made.spans_s, strict=True) if piece == "."] == [
        (2.4, 4.0),
        (5.9, 8.0),
    ]
    assert spans["<|endoftext|>"] is None
    assert spans.get("0.50") is None


def test_a_sentence_that_the_window_cuts_off_is_left_to_the_next(pieces: Pieces) -> None:
    made = label(pieces, utterance(26.0, GO), utterance(28.5, WELL), from_s=0.0, to_s=30.0)
    assert shown(pieces, made.said)[-4:] == [".", "27.90", "27.90", "<|endoftext|>"]
    alone = label(pieces, utterance(8.5, WELL), from_s=0.0, to_s=10.0)
    assert shown(pieces, alone.said) == ["1.00", "1.00", "<|endoftext|>"], "no later time may come first"
    assert "well" not in "".join(LETTERS[letter] for letter in made.letters)


def test_the_first_time_of_a_window_is_no_later_than_a_second(pieces: Pieces) -> None:
    assert shown(pieces, label(pieces, utterance(1.8, GO)).said)[0] == "1.00"
    assert shown(pieces, label(pieces, utterance(1.8, GO), from_s=1.0).said)[0] == "1.80"


def test_no_speech(pieces: Pieces) -> None:
    made = label(pieces)
    assert shown(pieces, made.said) == ["<|nospeech|>", "<|endoftext|>"]
    assert shown(pieces, made.read) == ["<|startoftranscript|>", "0.00"]
    assert made.letters == []
