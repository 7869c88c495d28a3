"""The embedded broker's journal is killed while it is rewritten."""

from __future__ import annotations

from pathlib import Path

from tests import builders
from tests.faults import journal_world
from tests.faults.killing import finishes, killed_at
from vta_stream.domain.request import request_value
from vta_stream.stream.journal import Journal


def video_ids(file: Path) -> list[str]:
    return [entry.video_id for entry in Journal(file).read(0)]


def test_no_request_is_lost_while_the_journal_is_rewritten(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    Journal(file).append([request_value(builders.request(f"vid-{number}")) for number in range(3)], published=True)
    killed_at(journal_world.__name__, "journal.compacting", str(file))
    assert video_ids(file) == ["vid-0", "vid-1", "vid-2"]
    Journal(file).append([request_value(builders.request("vid-3"))])
    finishes(journal_world.__name__, str(file))
    assert video_ids(file) == ["vid-1", "vid-2", "vid-3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.jsonl", "journal.lock"]
