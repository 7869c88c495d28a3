"""The journal of requests: what the embedded broker would forget, in a file that survives everything.

One line of JSON a request, appended under a lock and fsynced, so that `vta-stream submit` may write while the
worker reads, and before any worker runs. `JournalKeeper` (beside) moves requests between it and the broker.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vta_stream.domain.request import parse_request
from vta_stream.failpoints import hit

LOG = logging.getLogger(__name__)

CHUNK_ENTRIES = 1000
"""So many requests are held in memory at a time, however long the journal is."""

Ended = Callable[[Iterable[str]], set[str]]
"""Of these video IDs, those whose video has ended: done or failed, with its row in the dataset."""


def journal_file(data_dir: Path) -> Path:
    """Where the journal of a data folder lies: beside the dataset, since it is as dear."""
    return data_dir / "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """A request in the journal. `published` says that it reached the broker once already.

    Only then may it be dropped when its video has ended: somebody who submits an ended video again wants it
    again. `start` and `end` are its line's byte offsets in the file.
    """

    value: bytes
    published: bool
    start: int
    end: int

    @property
    def video_id(self) -> str:
        """The video that is asked for."""
        return parse_request(self.value).video_id


class Journal:
    """The file. All writes are under one lock between processes; a torn last line is passed over."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = file.with_suffix(".lock")

    def append(self, values: Iterable[bytes], *, published: bool = False) -> int:
        """Write the requests down, fsync, and return how many there were.

        A value that `parse_request` refuses raises ValueError, and then none of them is written. OSError (the
        disk is full, say) means that none can be relied on.
        """
        lines = []
        for value in values:
            parse_request(value)
            lines.append(_line(value, published=published))
        if lines:
            with self._locked():
                self._write(b"".join(lines))
        return len(lines)

    def mark(self, position: int) -> None:
        """Note that everything before this byte of the file has reached the broker."""
        with self._locked():
            self._write(json.dumps({"published_to": position}).encode() + b"\n")

    def size_bytes(self) -> int:
        """Length of the file; 0 if there is none yet."""
        try:
            return self.file.stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, position: int) -> Iterator[Entry]:
        """The requests from this byte of the file on, in order, as far as lines are whole."""
        for fields, start, end in self._lines(position):
            if "value" in fields:
                yield Entry(fields["value"].encode(), bool(fields.get("published")), start, end)

    def compact(self, ended: Ended, position: int = 0, boundary: int = 0) -> tuple[int, int]:
        """Rewrite the file without the requests whose videos have ended.

        Everything before `position` counts as published. Returns where `position` and `boundary` are in the
        new file. The new file replaces the old in one step; with a crash the old one is whole.
        """
        moved = {position: 0, boundary: 0}
        with self._locked():
            marks = (fields["published_to"] for fields, _, _ in self._lines(0) if "published_to" in fields)
            published_to = max([position, *marks])
            temporary = self.file.with_suffix(".tmp")
            with temporary.open("wb") as out:
                for chunk in _chunks(self.read(0)):
                    known = {entry.start: entry.published or entry.start < published_to for entry in chunk}
                    over = ended([entry.video_id for entry in chunk if known[entry.start]])
                    for entry in chunk:
                        if not (known[entry.start] and entry.video_id in over):
                            out.write(_line(entry.value, published=known[entry.start]))
                        moved.update({old: out.tell() for old in moved if entry.end <= old})
                out.flush()
                os.fsync(out.fileno())
            hit("journal.compacting")
            temporary.replace(self.file)
            _fsync_folder(self.file.parent)
        return moved[position], moved[boundary]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, lines: bytes) -> None:
        new = not self.file.exists()
        with self.file.open("ab") as out:
            if out.tell() and not _ends_with_newline(self.file):
                out.write(b"\n")  # a crash tore the last line; keep it apart from ours
            out.write(lines)
            out.flush()
            os.fsync(out.fileno())
        if new:
            _fsync_folder(self.file.parent)

    def _lines(self, position: int) -> Iterator[tuple[dict[str, Any], int, int]]:
        try:
            lines: BinaryIO = self.file.open("rb")
        except FileNotFoundError:
            return
        with lines:
            lines.seek(position)
            while (line := lines.readline()).endswith(b"\n"):
                start, position = position, position + len(line)
                try:
                    fields = json.loads(line)
                except ValueError:
                    if line.strip():
                        LOG.warning("%s: passed over a line that a crash tore, at byte %d", self.file, start)
                    continue
                yield fields, start, position


def _line(value: bytes, *, published: bool) -> bytes:
    fields = {"value": value.decode(), "published": True} if published else {"value": value.decode()}
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    for entry in entries:
        chunk.append(entry)
        if len(chunk) == CHUNK_ENTRIES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _ends_with_newline(file: Path) -> bool:
    with file.open("rb") as content:
        content.seek(-1, os.SEEK_END)
        return content.read(1) == b"\n"


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
