from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vta_stream.stream import crashes
from vta_stream.stream.crashes import CrashLedger, crash_key

REAL_WRITE = os.write
A, B = crash_key("score", "clips.segmented", "a"), crash_key("score", "clips.segmented", "b")


def test_the_key_tells_stage_topic_and_identity_apart() -> None:
    keys = {crash_key(*parts) for parts in (("a", "b", "c"), ("a", "b", "d"), ("ab", "", "c"), ("a", "bc", ""))}
    assert len(keys) == 4
    assert crash_key("a", "b", "\ud800")


def test_what_was_in_work_at_the_death_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "state" / "crashes"
    first = CrashLedger(path)
    first.begin([A, B])
    first.end([B])
    first.flush()  # and here the process dies
    second = CrashLedger(path)
    assert (second.crashes(A), second.crashes(B)) == (1, 0)
    second.begin([A])
    third = CrashLedger(path)
    assert third.crashes(A) == 2
    assert CrashLedger(path).crashes(A) == 2, "a death before the work begins is not its fault"


def test_an_end_forgives(tmp_path: Path) -> None:
    path = tmp_path / "crashes"
    CrashLedger(path).begin([A])
    ledger = CrashLedger(path)
    ledger.begin([A])
    ledger.end([A])
    ledger.flush()
    assert CrashLedger(path).crashes(A) == 0


def test_an_end_without_a_begin_does_not_hide_the_next_crash(tmp_path: Path) -> None:
    path = tmp_path / "crashes"
    ledger = CrashLedger(path)
    ledger.end([A])
    ledger.begin([A])
    assert CrashLedger(path).crashes(A) == 1


def test_a_clean_shutdown_counts_nothing_and_keeps_what_was_counted(tmp_path: Path) -> None:
    path = tmp_path / "crashes"
    CrashLedger(path).begin([A])
    ledger = CrashLedger(path)
    ledger.begin([A, B])
    ledger.close()
    again = CrashLedger(path)
    assert (again.crashes(A), again.crashes(B)) == (1, 0)


def test_the_same_work_twice_at_once(tmp_path: Path) -> None:
    path = tmp_path / "crashes"
    ledger = CrashLedger(path)
    ledger.begin([A])
    ledger.begin([A])
    ledger.end([A])
    ledger.flush()
    assert CrashLedger(path).crashes(A) == 1


def test_parole_lasts(tmp_path: Path) -> None:
    path = tmp_path / "crashes"
    ledger = CrashLedger(path)
    ledger.parole(A, 2)
    assert (ledger.crashes(A), CrashLedger(path).crashes(A)) == (2, 2)


def test_the_file_stays_small_and_keeps_what_is_in_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crashes, "FILE_BYTES_MAX", 1000)
    path = tmp_path / "crashes"
    ledger = CrashLedger(path)
    ledger.begin([A])
    for number in range(500):
        key = crash_key("s", "t", str(number))
        ledger.begin([key])
        ledger.end([key])
        assert path.stat().st_size <= 1100
    assert CrashLedger(path).crashes(A) == 1


def test_counts_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crashes, "COUNTS_MAX", 2)
    path = tmp_path / "crashes"
    CrashLedger(path).begin([A, B, crash_key("s", "t", "c")])
    ledger = CrashLedger(path)
    assert (ledger.crashes(A), ledger.crashes(B)) == (0, 1)


@pytest.mark.parametrize("torn", [b"+0123", b"\xff\xfe\n", b"=0123456789abcdef x\n", b"\n"])
def test_a_torn_line_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "crashes"
    CrashLedger(path).begin([A])
    path.write_bytes(path.read_bytes() + torn)
    assert CrashLedger(path).crashes(A) == 1


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "no room")


@pytest.mark.parametrize("write", [full, lambda file, content: REAL_WRITE(file, content[:5])], ids=["all", "part"])
def test_on_a_full_disk_nothing_is_begun_and_nothing_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[int, bytes], int]
) -> None:
    path = tmp_path / "crashes"
    CrashLedger(path).begin([A])
    ledger = CrashLedger(path)
    ledger.begin([A])
    ledger.end([A])
    with monkeypatch.context() as patched:
        patched.setattr(crashes.os, "write", write)
        with pytest.raises(OSError, match=r"No space|no room"):
            ledger.begin([B])
        ledger.flush()
        ledger.parole(B, 2)
    ledger.begin([])
    again = CrashLedger(path)
    assert (again.crashes(A), again.crashes(B)) == (0, 2)
