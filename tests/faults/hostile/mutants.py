"""Four ways to damage a video file, by chance, and the same for the same number."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

BOXES_WITHIN = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf"}
"""Boxes of MP4 that hold boxes; the others hold fields, and those are where a header lies."""
EBML_FIELDS = {
    "Segment size": b"\x18\x53\x80\x67", "TimestampScale": b"\x2a\xd7\xb1", "Duration": b"\x44\x89",
    "TrackEntry size": b"\xae", "TrackNumber": b"\xd7", "CodecID": b"\x86", "CodecPrivate": b"\x63\xa2",
    "PixelWidth": b"\xb0", "PixelHeight": b"\xba", "SamplingFrequency": b"\xb5", "Cluster": b"\x1f\x43\xb6\x75",
    "Timestamp": b"\xe7", "SimpleBlock": b"\xa3", "DefaultDuration": b"\x23\xe3\x83",
}  # fmt: skip
LIES = (0, 1, 2, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEADER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Mutant:
    """One damaged file: `original` says what it was, `kind` what was done to it."""

    number: int
    original: str
    kind: str
    content: bytes


def make_mutant(originals: Mapping[str, bytes], number: int) -> Mutant:
    """The mutant of that number. The kinds take turns, so that each has its share of any range."""
    chance = Random(f"hostile {number}")
    kind = list(DAMAGES)[number % len(DAMAGES)]
    name = chance.choice(list(originals))
    content = bytearray(originals[name])
    DAMAGES[kind](content, chance)
    return Mutant(number, name, kind, bytes(content))


def _flip_bits(content: bytearray, chance: Random) -> None:
    """From one bit to some hundred of them; half of the time all in the first kilobyte, where the header often is."""
    reach = min(1024, len(content)) if chance.random() < 0.5 else len(content)
    for _ in range(int(2 ** chance.uniform(0, 8))):
        content[chance.randrange(reach)] ^= 1 << chance.randrange(8)


def _cut_tail(content: bytearray, chance: Random) -> None:
    """What a download leaves that broke off; down to a single byte."""
    del content[max(1, int(len(content) * chance.random())) :]


def _lie(content: bytearray, chance: Random) -> None:
    """One to three numbers of the headers say something else: sizes, counts, durations, rates, codecs."""
    fields = list(_boxes(content, 0, len(content))) or list(_ebml(content))
    for _ in range(chance.randint(1, 3)):
        begin, end = chance.choice(fields)
        width = chance.choice((1, 2, 4))
        at = chance.randrange(begin, max(begin + 1, end - width + 1))
        value = chance.choice(LIES) if chance.random() < 0.7 else chance.getrandbits(32)
        content[at : at + width] = struct.pack(">I", value)[-width:][: len(content) - at]


def _swap_tracks(content: bytearray, chance: Random) -> None:
    """Sound says that it is picture, and the other way round: in the types, the codecs, or where their data lie."""
    pairs = [
        pair
        for pair in ((b"vide", b"soun"), (b"vmhd", b"smhd"), (b"avc1", b"mp4a"), (b"mp4v", b"mp4a"),
                     (b"\x83\x81\x01", b"\x83\x81\x02"), (b"\xd7\x81\x01", b"\xd7\x81\x02"))
        if all(name in content for name in pair)
    ]  # fmt: skip
    for one, other in chance.sample(pairs, chance.randint(1, len(pairs))):
        at, there = content.index(one), content.index(other)
        content[at : at + len(one)], content[there : there + len(other)] = other, one
    for table in (b"stco", b"stsz", b"stts"):
        first = content.find(table)
        second = content.find(table, first + 1)
        if second > 0 and chance.random() < 0.3:  # a first entry each; tables of other lengths stay where they are
            content[first + 12 : first + 16], content[second + 12 : second + 16] = (
                content[second + 12 : second + 16],
                content[first + 12 : first + 16],
            )


DAMAGES = {"bit_flips": _flip_bits, "cut_tail": _cut_tail, "header_lies": _lie, "swapped_tracks": _swap_tracks}


def _boxes(content: bytearray, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The bytes of each box of MP4 that holds fields, its own size and name among them; nothing if it is no MP4."""
    while begin + HEADER_BYTES <= end:
        size, name = struct.unpack_from(">I4s", content, begin)
        if size < HEADER_BYTES or begin + size > end:
            return
        if name in BOXES_WITHIN:
            yield begin, begin + HEADER_BYTES
            yield from _boxes(content, begin + HEADER_BYTES, begin + size)
        elif name != b"mdat":
            yield begin, begin + size
        begin += size


def _ebml(content: bytearray) -> Iterator[tuple[int, int]]:
    """The size and the first bytes of what follows on each name of a field of Matroska."""
    for name in EBML_FIELDS.values():
        at = content.find(name)
        if at >= 0:
            begin = at + len(name)
            yield begin, min(begin + 9, len(content))
