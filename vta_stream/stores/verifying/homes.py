"""Where a dataset's files lie, a folder or a bucket, as a check and a repair see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from vta_stream.domain.sample import Split
from vta_stream.ports import TerminalError
from vta_stream.stores.bucket import COPY_BYTES_MAX, Bucket
from vta_stream.stores.bucket_sink import BucketSink
from vta_stream.stores.catalog import Catalog
from vta_stream.stores.files import sync_folder
from vta_stream.stores.folder_sink import FolderSink
from vta_stream.stores.shard_sink import ShardSink
from vta_stream.stores.shards import Layout, OpenShard, ShardRow

STAGING_FOLDER = "staging"
"""Where a writer on a bucket builds its shards, in the dataset's folder of its machine."""


class Home(Protocol):
    """Names are relative to it, with slashes. Each method may raise OSError or TransientError: it does not answer."""

    url: str
    """What a person calls it."""
    sink: ShardSink
    """What puts finished shards and their lists there. It is never asked to recover: that removes files."""

    def files(self, folder: str) -> dict[str, int]:
        """The bytes of every file below a folder, by name in order; none where there is no such folder."""

    def size_bytes(self, name: str) -> int | None:
        """How long a file is; None if it is not there."""

    def open(self, name: str) -> BinaryIO:
        """A file to be read from anywhere in it, never whole in memory; FileNotFoundError without it."""

    def move(self, name: str, target: str) -> None:
        """Give a file another name, which nobody has. TerminalError `too_large` where that is impossible."""

    def shown(self, name: str) -> str:
        """A file's name for a person."""

    def new_shard(self, row: ShardRow, index: int, writer: int) -> OpenShard:
        """An empty shard like another (`row`) for the sink to persist. `writer`: the number of who makes it."""


class FolderHome:
    """`Home` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = str(folder)
        self.sink: ShardSink = FolderSink(folder)

    def files(self, folder: str) -> dict[str, int]:
        """Those that a writer takes away meanwhile are left out."""
        found = {}
        for place, _, names in os.walk(self._folder / folder):
            for name in names:
                path = Path(place) / name
                try:
                    found[str(path.relative_to(self._folder))] = path.lstat().st_size
                except FileNotFoundError:
                    continue
        return dict(sorted(found.items()))

    def size_bytes(self, name: str) -> int | None:
        """Of a file, or of what a link leads to."""
        path = self._folder / name
        return path.stat().st_size if path.is_file() else None

    def open(self, name: str) -> BinaryIO:
        """As it is."""
        path = self._folder / name
        if not path.is_file():
            raise FileNotFoundError(path)
        return path.open("rb")

    def move(self, name: str, target: str) -> None:
        """Rename it, for good when this returns."""
        source, path = self._folder / name, self._folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        source.rename(path)
        sync_folder(path.parent)
        sync_folder(source.parent)

    def shown(self, name: str) -> str:
        """Relative to the folder."""
        return name

    def new_shard(self, row: ShardRow, index: int, writer: int) -> OpenShard:
        """In its final folder, with its temporary name."""
        return _new(self._folder, row, index)


class BucketHome:
    """`Home` in a bucket. `folder` is the dataset's on this machine, where shards are built."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self._bucket = bucket
        self._staging = folder / STAGING_FOLDER
        self.url = bucket.url
        self.sink: ShardSink = BucketSink(bucket, self._staging)

    def files(self, folder: str) -> dict[str, int]:
        """The objects."""
        return dict(sorted(self._bucket.objects(folder)))

    def size_bytes(self, name: str) -> int | None:
        """Of the object."""
        return self._bucket.size_bytes(name)

    def open(self, name: str) -> BinaryIO:
        """8 MiB at a time."""
        from vta_stream.stores.verifying.object_file import open_object

        return open_object(self._bucket, name)

    def move(self, name: str, target: str) -> None:
        """The server copies it; nothing passes through this machine."""
        size_bytes = self._bucket.size_bytes(name) or 0
        if size_bytes > COPY_BYTES_MAX:
            raise TerminalError(
                "too_large", f"it has {size_bytes} bytes, and S3 renames none above {COPY_BYTES_MAX}: move it by hand"
            )
        self._bucket.move(name, target)

    def shown(self, name: str) -> str:
        """With the bucket's URL."""
        return f"{self.url}/{name}"

    def new_shard(self, row: ShardRow, index: int, writer: int) -> OpenShard:
        """In the staging folder, named so that it can be uploaded next to all others."""
        return _new(self._staging, row, index, writer)


def _new(folder: Path, row: ShardRow, index: int, writer: int | None = None) -> OpenShard:
    layout, split = cast(Layout, row.layout), cast(Split, row.split)
    return OpenShard.new(folder, layout, split, index, row.opened_at_s, writer)


def home_of(catalog: Catalog) -> Home:
    """Where the files of this catalog are. Nobody is asked."""
    if catalog.bucket:
        return BucketHome(catalog.bucket, catalog.dataset_dir)
    return FolderHome(catalog.dataset_dir)
