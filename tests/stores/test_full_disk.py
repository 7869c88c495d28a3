"""A disk that is full (here: a file that may not grow) is waited for, and leaves nothing half-written."""

from __future__ import annotations

import contextlib
import hashlib
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stores.lakes import Logs, check_samples, dataset, embedded, media_store, rows, state
from vta_stream.domain.clip import Clip
from vta_stream.ports import TransientError

MIB = 1024**2


@contextlib.contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def large(folder: Path, index: int, count: int) -> Clip:
    made = embedded(folder, "vid", index, count)
    content = bytes([index]) * (4 * MIB)
    media_store(folder).path(made.media.path).write_bytes(content)
    return replace(made, media=replace(made.media, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))


def test_a_shard_that_cannot_grow_is_cut_back_and_the_commit_tried_again(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    lake.commit(logs.deliver(large(tmp_path, 0, 4)))
    before = state(tmp_path)
    deliveries = logs.deliver(*(large(tmp_path, index, 4) for index in range(1, 4)))
    for _ in range(2):
        with file_size_limit(10 * MIB), pytest.raises(TransientError) as caught:
            lake.commit(deliveries)
        assert caught.value.reason == "disk_full"
        assert check_samples(tmp_path) == 2
        assert state(tmp_path) == before
    assert lake.commit(deliveries).failures == {}
    assert check_samples(tmp_path) == 8
    lake.close()


@pytest.mark.parametrize("limit_bytes", [1024, 32 * 1024], ids=["at its start", "at COMMIT"])
def test_a_catalog_or_table_that_cannot_grow_is_waited_for(tmp_path: Path, limit_bytes: int) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    lake.commit(logs.deliver(embedded(tmp_path, "vid", 0, 3)))
    before = state(tmp_path)
    deliveries = logs.deliver(embedded(tmp_path, "vid", 1, 3), embedded(tmp_path, "vid", 2, 3))
    with file_size_limit(limit_bytes), pytest.raises(TransientError) as caught:
        lake.commit(deliveries)
    assert caught.value.reason in ("disk_full", "catalog_io", "catalog_locked")
    assert state(tmp_path) == before
    lake.tick()
    assert lake.commit(deliveries).failures == {}
    assert check_samples(tmp_path) == 6
    assert rows(tmp_path, "SELECT count(*) FROM clips") == [(3,)]
    lake.close()
