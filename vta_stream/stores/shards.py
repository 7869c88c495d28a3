"""Shards: tar files that grow sample by sample, byte for byte the same for the same samples."""

from __future__ import annotations

import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vta_stream.domain.sample import Sample, Split
from vta_stream.ports import TerminalError
from vta_stream.stores.files import sync_folder

Layout = Literal["video-text", "embeddings"]

SHARDS_FOLDER = "shards"
END = b"\0" * 1024
"""What ends a tar file: two empty blocks."""
_BLOCK_BYTES = 512
_PART = ".part"
SHARD_FILE = re.compile(r"shard-\d{6,}\.tar(\.part)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample lies in its shard; `size_bytes` includes headers and padding."""

    shard_path: str
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ShardRow:
    """A shard as the catalog knows it: one row of `shards`. Times are Unix seconds."""

    shard_path: str
    layout: str
    split: str
    shard_index: int
    state: Literal["open", "sealed"]
    sample_count: int
    data_bytes: int
    opened_at_s: float
    sealed_at_s: float | None


def shard_path(layout: Layout, split: Split, index: int, writer: int | None = None) -> str:
    """The final path of a shard, relative to the dataset's folder; in a bucket with the number of its writer."""
    owner = "" if writer is None else f"-{writer}"
    return f"{SHARDS_FOLDER}/{layout}/{split}/shard-{index:06d}{owner}.tar"


def tar_bytes(sample: Sample) -> bytes:
    """The members of a sample, adjacent, with nothing in the headers that depends on time or machine."""
    if not sample.key or "." in sample.key or "/" in sample.key:
        raise ValueError(f"not a key for a sample (dots and slashes end a key): {sample.key!r}")
    parts: list[bytes] = []
    for extension, content in sample.members.items():
        info = tarfile.TarInfo(f"{sample.key}.{extension}")
        info.size, info.mode, info.mtime = len(content), 0o644, 0
        parts += [info.tobuf(tarfile.GNU_FORMAT), content, b"\0" * (-len(content) % _BLOCK_BYTES)]
    return b"".join(parts)


class OpenShard:
    """A shard that grows under its `.part` name, and knows how much of it the catalog has promised.

    Appended bytes are nothing until the catalog says so: `truncate` takes them back.
    """

    def __init__(self, folder: Path, row: ShardRow) -> None:
        self.row = row
        self._final = folder / row.shard_path
        self._part = self._final.with_name(self._final.name + _PART)
        self._descriptor: int | None = None
        self.data_bytes = row.data_bytes
        self.sample_count = row.sample_count

    @classmethod
    def new(
        cls, folder: Path, layout: Layout, split: Split, index: int, now_s: float, writer: int | None = None
    ) -> OpenShard:
        """An empty shard, whose file is made with the first sample."""
        row = ShardRow(shard_path(layout, split, index, writer), layout, split, index, "open", 0, 0, now_s, None)
        return cls(folder, row)

    @property
    def part(self) -> Path:
        """The growing file."""
        return self._part

    def append(self, sample: Sample) -> Place:
        """Write a sample behind the last one. An OSError leaves a torn end, for `truncate` to cut off."""
        content = tar_bytes(sample)
        descriptor = self._open()
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], self.data_bytes + written)
        place = Place(self.row.shard_path, self.data_bytes, len(content))
        self.data_bytes += len(content)
        self.sample_count += 1
        return place

    def _open(self) -> int:
        if self._descriptor is None:
            new = not self._part.exists()
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if new:
                sync_folder(self._part.parent)
        return self._descriptor

    def sync(self) -> None:
        """Force the appended bytes to the disk."""
        os.fsync(self._open())

    def truncate(self) -> None:
        """Cut the file back to what the catalog has; a file of a shard that the catalog has not, goes.

        TerminalError `shard_damaged` if the file holds less than the catalog promised.
        """
        self.data_bytes, self.sample_count = self.row.data_bytes, self.row.sample_count
        if self.data_bytes == 0:
            self.close()
            self._part.unlink(missing_ok=True)
            return
        if not self._part.exists() or self._part.stat().st_size < self.data_bytes:
            raise TerminalError(
                "shard_damaged",
                f"{self._part} holds less than the {self.data_bytes} bytes that are committed: bring the file back "
                "from a copy of the dataset; nothing else has these samples",
            )
        os.ftruncate(self._open(), self.data_bytes)
        self.sync()

    def end(self) -> None:
        """Write the end of the archive. Until the rename, `truncate` still takes it back."""
        descriptor = self._open()
        os.pwrite(descriptor, END, self.data_bytes)
        os.fsync(descriptor)

    def rename(self) -> None:
        """Give the ended shard its final name: from here on readers see it."""
        self.close()
        self._part.rename(self._final)
        sync_folder(self._final.parent)

    def finished(self) -> bool:
        """True if the final file is there, as long as it has to be."""
        return self._final.is_file() and self._final.stat().st_size == self.data_bytes + len(END)

    def discard(self) -> None:
        """Remove the growing file: what was in it is elsewhere."""
        self.close()
        self._part.unlink()

    def close(self) -> None:
        """Close the file; `append` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def seal(shard: OpenShard) -> None:
    """Finish a shard that the catalog calls sealed: cut to its committed bytes, end, sync, rename.

    Whatever an interrupted attempt did of this, doing it again is right.
    """
    from vta_stream.failpoints import hit

    if not shard.finished():
        shard.truncate()
        shard.end()
        hit("store.sealing")
        shard.rename()
        hit("store.sealed")
    shard.close()
