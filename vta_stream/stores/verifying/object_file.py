"""An object of a bucket as a file to be read from anywhere."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from vta_stream.stores.bucket import Bucket

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 8 * 1024 * 1024


class ObjectFile(io.RawIOBase):
    """Each read is a request of its own for just that stretch.

    So reading may pause for as long as it likes, which one answer's stream would not outlive. It counts on objects
    that never change.
    """

    def __init__(self, bucket: Bucket, key: str, size_bytes: int) -> None:
        super().__init__()
        self._bucket = bucket
        self._key = key
        self._size_bytes = size_bytes
        self._place = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Asks nobody. ValueError before the start."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"byte {start + offset} of {self._key}")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer`, or as much of it as there is; TransientError if the bucket does not give it."""
        view = memoryview(buffer).cast("B")
        end = min(self._place + len(view), self._size_bytes)
        if self._place >= end:
            return 0
        content = self._bucket.get_range(self._key, self._place, end)
        view[: len(content)] = content
        self._place += len(content)
        return len(content)


def open_object(bucket: Bucket, key: str) -> BinaryIO:
    """The object with at most 8 MiB of it in memory, beside what is read; FileNotFoundError without it."""
    size_bytes = bucket.size_bytes(key)
    if size_bytes is None:
        raise FileNotFoundError(f"{bucket.url}/{key}")
    return io.BufferedReader(ObjectFile(bucket, key, size_bytes), max(1, min(size_bytes, _BUFFER_BYTES)))
