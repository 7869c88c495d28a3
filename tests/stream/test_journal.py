"""The journal's file: what is in it survives crashes, other writers and its own compaction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vta_stream.stream.journal import Ended, Journal


def _ids(count: int, first: int = 0) -> list[bytes]:
    return [f"{number:011d}".encode() for number in range(first, first + count)]


def _values(journal: Journal, position: int = 0) -> list[bytes]:
    return [entry.value for entry in journal.read(position)]


def _ended(*ids: bytes) -> Ended:
    over = {value.decode() for value in ids}
    return lambda asked: over & set(asked)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "journal.jsonl")


def test_nothing_there_is_an_empty_journal(journal: Journal) -> None:
    assert _values(journal) == []
    assert journal.size_bytes() == 0
    assert journal.compact(_ended()) == (0, 0)


def test_what_was_appended_is_read_in_order(journal: Journal) -> None:
    values = [b"dQw4w9WgXcQ", b"https://example.org/\xc3\xa4.mp4", b'{"id": "-Qw4w9WgXcQ",\n "priority": 3}']
    assert journal.append(values) == 3
    assert _values(journal) == values
    assert [entry.video_id for entry in journal.read(0)][::2] == ["dQw4w9WgXcQ", "-Qw4w9WgXcQ"]


def test_one_bad_request_keeps_all_out(journal: Journal) -> None:
    with pytest.raises(ValueError, match="neither"):
        journal.append([b"dQw4w9WgXcQ", b"what is this?"])
    assert _values(journal) == []


def test_a_torn_line_costs_only_itself(journal: Journal) -> None:
    one, two, three = _ids(3)
    journal.append([one, two])
    whole = journal.file.read_bytes()
    journal.file.write_bytes(whole[:-5])
    assert _values(journal) == [one]
    journal.append([three])
    assert _values(journal) == [one, three]


def test_only_a_published_request_is_dropped_when_its_video_has_ended(journal: Journal) -> None:
    old, followed, again = _ids(3)
    journal.append([old])
    journal.mark(journal.size_bytes())
    journal.append([followed], published=True)
    journal.append([old, again])
    journal.compact(_ended(old, followed, again))
    assert _values(journal) == [old, again]


def test_compaction_keeps_what_was_published_before_apart(journal: Journal) -> None:
    """A second compaction, as after a crash at once, must not take the published for new."""
    one, two = _ids(2)
    journal.append([one, two])
    journal.mark(journal.size_bytes())
    journal.compact(_ended())
    journal.compact(_ended(one))
    assert _values(journal) == [two]


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_positions_move_with_the_compaction(
    tmp_path_factory: pytest.TempPathFactory, over: list[bool], at: int, to: int
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "journal.jsonl")
    ids = _ids(len(over))
    journal.append(ids)
    ends = [0, *(entry.end for entry in journal.read(0))]
    at, to = min(at, len(ids)), min(to, len(ids))
    dropped = {value for value, gone in zip(ids[:at], over[:at], strict=True) if gone}
    position, boundary = journal.compact(
        _ended(*(v for v, gone in zip(ids, over, strict=True) if gone)), ends[at], ends[to]
    )
    assert _values(journal) == [value for value in ids if value not in dropped]
    assert _values(journal, position) == ids[at:]
    assert _values(journal, boundary) == [value for value in ids[to:] if value not in dropped]


def test_memory_is_bounded_by_chunks(journal: Journal) -> None:
    journal.append(_ids(3500), published=True)
    asked: list[int] = []

    def ended(ids: Iterable[str]) -> set[str]:
        asked.append(len(list(ids)))
        return set()

    journal.compact(ended)
    assert asked == [1000, 1000, 1000, 500]


def test_processes_append_at_once_and_nothing_is_torn(journal: Journal) -> None:
    write = (
        "import sys; from pathlib import Path; from vta_stream.stream.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); first = int(sys.argv[2])\n"
        "for n in range(first, first + 100): journal.append([b'%011d' % n])\n"
    )
    starts = [subprocess.Popen([sys.executable, "-c", write, str(journal.file), str(n * 1000)]) for n in range(3)]
    while any(process.poll() is None for process in starts):
        journal.compact(_ended())
    assert [process.returncode for process in starts] == [0, 0, 0]
    assert sorted(_values(journal)) == sorted(value for n in range(3) for value in _ids(100, n * 1000))
