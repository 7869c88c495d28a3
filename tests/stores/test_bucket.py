"""Objects of a real S3 server: put once, never changed, and every error in our words without a key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.s3_process import KEYS, S3Process
from vta_stream.ports import StageError, TerminalError, TransientError
from vta_stream.settings.work import S3Settings
from vta_stream.stores.bucket import Bucket

LARGE = 20 * 1024 * 1024


@pytest.fixture
def bucket(s3: S3Process) -> Bucket:
    return Bucket(S3Settings(url=f"s3://{s3.new_bucket()}/deep/set", endpoint=s3.endpoint))


def a_file(folder: Path, size_bytes: int) -> Path:
    file = folder / "file"
    file.write_bytes(os.urandom(size_bytes))
    return file


@pytest.mark.parametrize("size_bytes", [10, LARGE], ids=["whole", "in parts"])
def test_an_object_is_put_once(bucket: Bucket, tmp_path: Path, size_bytes: int) -> None:
    file = a_file(tmp_path, size_bytes)
    bucket.put_new("shards/a.tar", file)
    assert bucket.get("shards/a.tar") == file.read_bytes()
    bucket.put_new("shards/a.tar", file)  # the answer to the first was lost, say
    before = file.read_bytes()
    with pytest.raises(TransientError, match="other bytes") as caught:
        bucket.put_new("shards/a.tar", a_file(tmp_path, size_bytes))
    assert caught.value.reason == "s3_taken"
    assert bucket.get("shards/a.tar") == before


def test_objects_are_listed_below_the_prefix_and_removed(bucket: Bucket, s3: S3Process) -> None:
    beside = Bucket(S3Settings(url=f"s3://{bucket.name}/deep/set-2", endpoint=s3.endpoint))
    beside.put("x", b"1")
    for number in range(3):
        bucket.put(f"a/{number}", b"x" * number)
    bucket.put("b/0", b"")
    assert sorted(bucket.objects("a")) == [("a/0", 0), ("a/1", 1), ("a/2", 2)]
    assert len(list(bucket.objects(""))) == 4
    bucket.delete(["a/0", "a/2", "a/7"])
    assert list(bucket.objects("a")) == [("a/1", 1)]
    assert bucket.get("a/0") is None
    assert beside.get("x") == b"1"


def test_create_only(bucket: Bucket) -> None:
    bucket.put("marker", b"first", create=True)
    with pytest.raises(TransientError, match="already"):
        bucket.put("marker", b"second", create=True)
    assert bucket.get("marker") == b"first"
    bucket.put("marker", b"third")
    assert bucket.get("marker") == b"third"


def refusals(bucket: Bucket) -> list[StageError]:
    found: list[StageError] = []
    for ask in (lambda: bucket.get("x"), lambda: bucket.put("x", b"1"), lambda: list(bucket.objects("x"))):
        try:
            ask()
        except StageError as error:
            found.append(error)
    return found


def test_errors_say_what_to_do_and_show_no_key(s3: S3Process) -> None:
    url = f"s3://{s3.new_bucket()}/set"
    wrong = {**KEYS, "AWS_SECRET_ACCESS_KEY": "another-secret"}
    cases = {
        "s3_denied": (Bucket(S3Settings(url=url, endpoint=s3.endpoint), wrong), "AWS_SECRET_ACCESS_KEY"),
        "s3_no_bucket": (Bucket(S3Settings(url="s3://no-such-bucket/set", endpoint=s3.endpoint)), "make it"),
        "s3_unreachable": (Bucket(S3Settings(url=url, endpoint="http://127.0.0.1:1")), "127.0.0.1:1"),
    }
    for reason, (bucket, words) in cases.items():
        errors = refusals(bucket)
        assert len(errors) == 3 or (reason == "s3_no_bucket" and len(errors) == 2)
        for error in errors:
            assert isinstance(error, TransientError), "the keys are mended, the server comes back: nothing is lost"
            assert error.reason == reason
            assert words in str(error)
            assert not any(secret in str(error) for secret in ("another-secret", "not-so-secret", "<"))
        assert "secret" not in repr(bucket.keys).replace("secret_access_key", "")


def test_without_keys_it_says_which() -> None:
    with pytest.raises(TerminalError, match="AWS_SECRET_ACCESS_KEY") as caught:
        _ = Bucket(S3Settings(url="s3://bucket"), {"AWS_ACCESS_KEY_ID": "x"}).keys
    assert caught.value.reason == "s3_keys"
