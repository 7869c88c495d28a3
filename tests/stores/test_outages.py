"""The S3 server or PostgreSQL is gone for a while: the commit fails as one that is tried again, and nothing is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_process import PostgresProcess
from tests.s3_process import KEYS, S3Process
from tests.stores.backends import Backend
from tests.stores.lakes import Logs, embedded, rejected
from vta_stream.ports import TransientError


@pytest.fixture
def place(tmp_path: Path, own_postgres: PostgresProcess, own_s3: S3Process) -> Iterator[Backend]:
    return Backend(tmp_path).put_catalog(own_postgres).put_files(own_s3)


def test_the_s3_server_is_gone_for_a_while(place: Backend, own_s3: S3Process) -> None:
    lake, logs = place.dataset(), Logs()
    lake.open()
    lake.commit(logs.deliver(embedded(place.folder, "vid", 0, 3)))
    before = place.state()
    own_s3.kill()
    with_samples = logs.deliver(embedded(place.folder, "vid", 1, 3))
    for _ in range(2):
        with pytest.raises(TransientError, match=r"does not answer|cannot be reached"):
            lake.commit(with_samples)
    own_s3.start()
    assert place.state() == before
    assert lake.commit(with_samples).failures == {}
    own_s3.kill()
    rows_only = logs.deliver(rejected("vid", 2, 3))
    with pytest.raises(TransientError):
        lake.commit(rows_only)
    own_s3.start()
    assert lake.commit(rows_only).failures == {}
    assert place.rows("SELECT count(*) FROM clips") == [(3,)]
    assert place.check_samples() == 4
    lake.close()


def test_the_s3_server_goes_between_upload_and_commit(
    place: Backend, own_s3: S3Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vta_stream.stores.shard_set import ShardSet

    lake, logs = place.dataset(), Logs()
    lake.open()
    lake.commit(logs.deliver(embedded(place.folder, "vid", 0, 2)))
    persist = ShardSet.persist

    def persist_and_lose(self: ShardSet) -> None:
        persist(self)
        own_s3.kill()

    deliveries = logs.deliver(embedded(place.folder, "vid", 1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(ShardSet, "persist", persist_and_lose)
        with pytest.raises(TransientError):
            lake.commit(deliveries)
    own_s3.start()
    assert len(place.shards) == 4, "two of them are orphans"
    assert lake.commit(deliveries).failures == {}
    assert place.check_samples() == 4
    lake.close()


def test_postgres_is_restarted(place: Backend, own_postgres: PostgresProcess) -> None:
    lake, logs = place.dataset(), Logs()
    lake.open()
    lake.commit(logs.deliver(embedded(place.folder, "vid", 0, 2)))
    own_postgres.kill()
    deliveries = logs.deliver(embedded(place.folder, "vid", 1, 2))
    for _ in range(2):
        with pytest.raises(TransientError) as caught:
            lake.commit(deliveries)
        assert caught.value.reason == "catalog_io"
    own_postgres.start()
    assert lake.commit(deliveries).failures == {}
    assert place.rows("SELECT count(*), (SELECT max(number) FROM writer) > 1 FROM clips") == [(2, True)]
    assert place.check_samples() == 4
    lake.close()


@pytest.mark.parametrize("then", ["it comes back", "the process starts again"])
def test_postgres_goes_within_a_transaction(
    place: Backend, own_postgres: PostgresProcess, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    from vta_stream.stores.lake import Lake

    lake, logs = place.dataset(), Logs()
    lake.open()
    lake.commit(logs.deliver(embedded(place.folder, "vid", 0, 2)))
    deliveries = logs.deliver(embedded(place.folder, "vid", 1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "_sync_files", lambda self: own_postgres.kill())  # the last thing before COMMIT
        with pytest.raises(TransientError) as caught:
            lake.commit(deliveries)
    assert caught.value.reason == "catalog_io"
    own_postgres.start()
    if then == "the process starts again":
        lake.close()
        lake = place.dataset()
        lake.open()
    assert lake.commit(deliveries).failures == {}
    assert place.rows("SELECT count(*) FROM clips") == [(2,)]
    assert place.check_samples() == 4
    lake.close()


def test_no_key_and_no_password_is_told_or_kept(
    place: Backend,
    own_s3: S3Process,
    own_postgres: PostgresProcess,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secrets = (KEYS["AWS_SECRET_ACCESS_KEY"], "password-of-postgres")
    monkeypatch.setenv("PGPASSWORD", secrets[1])  # this server asks for none; what matters is where it goes
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    lake, logs = place.dataset(), Logs()
    lake.register_pipeline_version("0a1b2c3d", "{}")
    lake.open()
    lake.commit(logs.deliver(embedded(place.folder, "vid", 0, 2)))
    for server in (own_s3, own_postgres):
        server.kill()
        with pytest.raises(TransientError) as caught:
            lake.commit(logs.deliver(embedded(place.folder, "vid", 1, 2)))
        told.append(str(caught.value))
        server.start()
    lake.close()
    kept = [path.read_bytes() for path in place.folder.rglob("*") if path.is_file() and "s3" not in path.parts]
    kept += [path.read_bytes() for path in own_s3.objects(str(place.store["s3"]["url"])).values()]
    database = place.store["catalog"].rpartition("dbname=")[2]
    tables = own_postgres.query(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'").split()
    assert "ducklake_metadata" in tables
    kept += [own_postgres.query(database, f"SELECT * FROM {table}").encode() for table in tables]
    for secret in secrets:
        assert not any(secret in text for text in (*told, caplog.text))
        assert not any(secret.encode() in content for content in kept)
