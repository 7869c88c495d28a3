"""Two writers of one dataset on Postgres: the second is refused, and one that was taken for dead cannot commit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.builders import delivery
from tests.postgres_process import PostgresProcess
from tests.s3_process import S3Process
from tests.stores.backends import Backend
from tests.stores.lakes import Logs, embedded, rejected
from vta_stream.domain.delivery import Delivery
from vta_stream.ports import TerminalError, TransientError
from vta_stream.stores.dataset import LakeDataset
from vta_stream.stores.session_lock import SessionLock

ROOT = Path(__file__).parents[2]

# Commits a clip when it is told so, and says how it went. The test stops it in the middle of its commit.
WRITER = """
import json, sys
from pathlib import Path
from tests.stores.lakes import Logs, dataset, embedded
from vta_stream.ports import StageError
from vta_stream.stores.lake import Lake
from vta_stream.stores.shard_set import ShardSet
folder, store, where = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
def tell(text):
    print(text, flush=True)
    sys.stdin.readline()
lake = dataset(folder, **store)
lake.open()
tell("open")
owner, name = (Lake, "_sync_files") if where == "in its transaction" else (ShardSet, "persist")
method = getattr(owner, name)
def wait_here(self):
    method(self)
    setattr(owner, name, method)
    tell("waits")
setattr(owner, name, wait_here)
try:
    lake.commit(Logs().deliver(embedded(folder, "zombie")))
    tell("committed")
except StageError as error:
    tell(f"{type(error).__name__} {error.reason} {error}")
"""


def machine(place: Backend, folder: Path) -> Backend:
    """The same dataset, from another machine: nothing local is shared."""
    return Backend(folder, place.store, place.root)


def commit_in_place(lake: LakeDataset, deliveries: Sequence[Delivery[Any]], tries: int) -> None:
    """As the shell does with an ordered stage, without its waiting."""
    for _ in range(tries - 1):
        try:
            assert lake.commit(deliveries).failures == {}
            return
        except TransientError as error:
            print(error)
    assert lake.commit(deliveries).failures == {}


@pytest.fixture
def place(tmp_path: Path, postgres: PostgresProcess, s3: S3Process) -> Backend:
    return Backend(tmp_path / "one").put_catalog(postgres).put_files(s3)


def test_a_second_writer_on_another_machine_is_refused(place: Backend, tmp_path: Path) -> None:
    other = machine(place, tmp_path / "two")
    first, second, logs = place.dataset(), other.dataset(), Logs()
    first.open()
    with pytest.raises(TerminalError, match=rf"process {os.getpid()} on .*pg_terminate_backend") as caught:
        second.open()
    assert caught.value.reason == "second_writer"
    first.commit(logs.deliver(embedded(place.folder, "vid")))
    first.close()
    second.open()
    assert second.commit(logs.deliver(rejected("other"))).failures == {}
    assert other.rows("SELECT count(*), (SELECT max(number) FROM writer) FROM clips") == [(2, 2)]
    second.close()


@contextmanager
def zombie(place: Backend, where: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place.folder), json.dumps(place.store), where],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def told(process: subprocess.Popen[str], *, then: bool = True) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if then:
        go_on(process)
    return line


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("lost", ["all its sessions", "its lock"])
@pytest.mark.parametrize("where", ["in its transaction", "before its transaction"])
def test_a_zombie_cannot_commit(
    place: Backend, tmp_path: Path, postgres: PostgresProcess, where: str, lost: str
) -> None:
    other = machine(place, tmp_path / "two")
    with zombie(place, where) as process:
        assert told(process) == "open"
        assert told(process, then=False) == "waits"
        process.send_signal(signal.SIGSTOP)
        late = {path for path in place.shards if "-1.tar" in path}
        assert len(late) == 2, "its shards are in the bucket"
        postgres.end_sessions(place.store["catalog"], only_lock=lost == "its lock")
        taking_over = other.dataset()
        taking_over.open()
        assert late.isdisjoint(place.shards), "orphans of the writer before"
        taking_over.commit(Logs().deliver(embedded(other.folder, "living")))
        process.send_signal(signal.SIGCONT)
        go_on(process)
        kind, reason, *_ = told(process).split()
        assert kind == "TransientError", "its records stay where they are"
        assert reason in ("catalog_locked", "catalog_io", "writer_fenced")
        assert reason == "writer_fenced" or where == "in its transaction"
    assert other.rows("SELECT video_id FROM clips") == [("living",)]
    assert other.rows("SELECT number FROM writer") == [(2,)]
    assert other.check_samples() == 2
    taking_over.close()


def test_a_lock_that_is_given_back_while_its_holder_is_looked_for_is_taken(
    place: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    conninfo = place.store["catalog"].removeprefix("postgres:")
    leaving, coming = SessionLock(conninfo), SessionLock(conninfo)
    leaving.acquire()
    look = coming.holders

    def look_too_late() -> str:
        leaving.release()
        while look():
            time.sleep(0.01)
        return ""

    monkeypatch.setattr(coming, "holders", look_too_late)
    coming.acquire()
    assert coming.hold()
    coming.release()


def test_a_lock_that_was_given_back_is_free_at_once(place: Backend, postgres: PostgresProcess) -> None:
    """Though the server ends its session later; many times, because it often ends it soon enough."""
    conninfo = place.store["catalog"].removeprefix("postgres:")
    lock, onlooker = SessionLock(conninfo), SessionLock(conninfo)
    for _ in range(30):
        lock.acquire()
        lock.release()
        assert onlooker.holders() == ""
    lock.acquire()
    postgres.end_sessions(place.store["catalog"], only_lock=True)
    lock.release()
    lock.release()


def test_a_writer_whose_session_ended_goes_on_if_nobody_took_over(place: Backend, postgres: PostgresProcess) -> None:
    lake, logs = place.dataset(), Logs()
    lake.open()
    lake.commit(logs.deliver(embedded(place.folder, "vid", 0, 2)))
    postgres.end_sessions(place.store["catalog"])
    commit_in_place(lake, logs.deliver(embedded(place.folder, "vid", 1, 2)), tries=3)
    assert place.rows("SELECT count(*) FROM clips") == [(2,)]
    assert place.check_samples() == 4
    lake.close()


def test_a_writer_that_was_taken_over_waits_and_takes_over_again(
    place: Backend, tmp_path: Path, postgres: PostgresProcess
) -> None:
    other = machine(place, tmp_path / "two")
    first, second, logs = place.dataset(), other.dataset(), Logs()
    first.open()
    postgres.end_sessions(place.store["catalog"])
    second.open()
    deliveries = logs.deliver(embedded(place.folder, "vid"))
    for _ in range(2):
        with pytest.raises(TransientError, match=f"process {os.getpid()}") as caught:
            first.commit(deliveries)
        assert caught.value.reason == "writer_fenced"
    second.commit(deliveries_of(other))
    second.close()
    assert first.commit(deliveries).failures == {}
    assert place.rows("SELECT video_id FROM clips ORDER BY 1") == [("from-two",), ("vid",)]
    assert place.rows("SELECT number FROM writer") == [(3,)]
    assert place.check_samples() == 4
    first.close()


def deliveries_of(other: Backend) -> list[Delivery[Any]]:
    """Of a partition that the first writer does not read, so that its own records are not behind the offset."""
    return [delivery(embedded(other.folder, "from-two"), "clips.embedded", partition=1)]
