"""A broker in files: what it has taken survives the process that is killed, and nothing else of it does."""

from __future__ import annotations

import base64
import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vta_stream.stream.acks import Partition
from vta_stream.stream.message import Headers, Outgoing

PARTITIONS = 2


@dataclass(frozen=True)
class Record:
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_s: float
    headers: Headers


class FileBroker:
    """Topics of two partitions. A record is one line, written by one call, so a kill leaves all of it or nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._read: dict[Partition, tuple[int, list[Record]]] = {}

    async def send(self, records: Sequence[Outgoing]) -> None:
        """As the producer's: on return the broker has them."""
        for record in records:
            self.append(record.topic, record.key, record.value, record.headers)

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        line = {
            "key": _text(key),
            "value": _text(value),
            "time": time.time(),
            "headers": [[name, _text(content)] for name, content in headers],
        }
        file = os.open(
            self._file(Partition(topic, zlib.crc32(key or b"") % PARTITIONS)), os.O_WRONLY | os.O_APPEND | os.O_CREAT
        )
        os.write(file, json.dumps(line).encode() + b"\n")
        os.close(file)

    def _file(self, partition: Partition) -> Path:
        return self._folder / f"{partition.topic}-{partition.number}.jsonl"

    def records(self, partition: Partition) -> list[Record]:
        """All of the partition, from offset 0."""
        path = self._file(partition)
        size = path.stat().st_size if path.exists() else 0
        if size != self._read.get(partition, (-1, []))[0]:
            lines = path.read_text().splitlines() if size else []
            self._read[partition] = (size, [_record(offset, json.loads(line)) for offset, line in enumerate(lines)])
        return self._read[partition][1]

    def end(self, partition: Partition) -> int:
        return len(self.records(partition))

    def committed(self, group: str) -> dict[Partition, int]:
        file = self._folder / f"{group}.commits.json"
        found = json.loads(file.read_text()) if file.exists() else []
        return {Partition(topic, number): offset for topic, number, offset in found}

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Take the offsets, whichever they are: like a real broker, it believes its consumers."""
        held = {**self.committed(group), **offsets}
        temporary = self._folder / f"{group}.commits.new"
        temporary.write_text(json.dumps([[p.topic, p.number, offset] for p, offset in held.items()]))
        temporary.rename(self._folder / f"{group}.commits.json")


def partitions(*topics: str) -> list[Partition]:
    return [Partition(topic, number) for topic in topics for number in range(PARTITIONS)]


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _record(offset: int, line: dict[str, object]) -> Record:
    headers = tuple((name, _bytes(content) or b"") for name, content in line["headers"])  # type: ignore[attr-defined]
    return Record(offset, _bytes(line["key"]), _bytes(line["value"]), float(line["time"]), headers)  # type: ignore[arg-type]
