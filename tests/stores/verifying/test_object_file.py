"""An object as a file: the same bytes wherever one reads, and few requests for not too much at once."""

from __future__ import annotations

import io
import os
import random

import pytest

from tests.s3_process import S3Process
from vta_stream.ports import TransientError
from vta_stream.settings.work import S3Settings
from vta_stream.stores.bucket import Bucket
from vta_stream.stores.verifying.object_file import open_object

MIB = 1024 * 1024
BUFFER_BYTES = 8 * MIB


class Counted(Bucket):
    """Keeps the length of each stretch that was asked for."""

    def get_range(self, key: str, start_bytes: int, end_bytes: int) -> bytes:
        self.asked = [*getattr(self, "asked", []), end_bytes - start_bytes]
        return super().get_range(key, start_bytes, end_bytes)


@pytest.fixture
def bucket(s3: S3Process) -> Counted:
    return Counted(S3Settings(url=f"s3://{s3.new_bucket()}/set", endpoint=s3.endpoint))


def test_reading_on_takes_one_request_for_many_reads_and_never_much_at_once(bucket: Counted) -> None:
    content = os.urandom(20 * MIB + 77)
    bucket.put("a.tar", content)
    with open_object(bucket, "a.tar") as file:
        assert file.seek(0, io.SEEK_END) == len(content)
        found = []
        for start in range(0, len(content), MIB):
            file.seek(start)
            found.append(file.read(MIB))
    assert b"".join(found) == content
    assert max(bucket.asked) <= BUFFER_BYTES
    assert len(bucket.asked) == 3


def test_any_stretch_is_what_was_put(bucket: Counted) -> None:
    content = os.urandom(MIB)
    bucket.put("a.tar", content)
    chance = random.Random(7)
    with open_object(bucket, "a.tar") as file:
        for _ in range(50):
            start, length = chance.randrange(MIB + 100), chance.randrange(MIB)
            file.seek(start)
            assert file.read(length) == content[start : start + length]
        file.seek(-5, io.SEEK_END)
        assert file.read() == content[-5:]
        with pytest.raises(ValueError, match="byte -1"):
            file.seek(-MIB - 1, io.SEEK_END)


def test_an_empty_object_a_missing_one_and_one_that_goes_while_it_is_read(bucket: Counted) -> None:
    bucket.put("empty", b"")
    with open_object(bucket, "empty") as file:
        assert file.read() == b""
    with pytest.raises(FileNotFoundError, match="set/missing"):
        open_object(bucket, "missing")
    bucket.put("goes", b"x")
    with open_object(bucket, "goes") as file:
        bucket.delete(["goes"])
        with pytest.raises(TransientError):
            file.read()
