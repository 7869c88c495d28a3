"""Anybody reads while the writer writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.stores.lakes import Logs, dataset, done, embedded, rejected, rows, settings
from vta_stream.stores.catalog import extension_file
from vta_stream.stores.reader import DatasetError, attach_statement, ended_videos, open_reader

POLL = """
import json, sys, duckdb
statement, *extensions = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")  # it would come between our lines
for file in extensions:
    connection.execute(f"LOAD '{file}'")
connection.execute(statement)
print("attached", flush=True)
seen = []
while not seen or seen[-1] < 12:
    ((clips, samples, videos),) = connection.execute('''SELECT (SELECT count(*) FROM vta.clips),
        (SELECT count(DISTINCT clip_id) FROM vta.samples), (SELECT count(*) FROM vta.videos)''').fetchall()
    assert clips == samples, (clips, samples)
    seen.append(clips)
print(json.dumps(seen))
"""


def test_a_plain_duckdb_process_polls_during_commits(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    chosen = settings(tmp_path)
    extensions = [str(extension_file(name)) for name in ("sqlite_scanner", "ducklake")]
    line = [sys.executable, "-c", POLL, attach_statement(chosen), *extensions]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "attached\n"
            for index in range(12):
                lake.commit(logs.deliver(embedded(tmp_path, "vid", index, 12)))
            seen = json.loads(reader.stdout.readline())
            assert reader.wait() == 0
        finally:
            reader.kill()
    assert seen == sorted(seen)
    assert seen[-1] == 12
    assert len(set(seen)) > 2, "it saw the dataset grow"
    lake.close()


def test_no_reader_takes_an_extension_without_a_good_signature(tmp_path: Path) -> None:
    """Also not a later one of a process, which loads the extensions that were checked for the first one unchecked."""
    lake = dataset(tmp_path)
    lake.open()
    lake.close()
    altered = bytearray(extension_file("httpfs").read_bytes())
    altered[len(altered) // 2] ^= 1
    file = tmp_path / "httpfs.duckdb_extension"
    file.write_bytes(altered)
    for _ in range(2):
        with open_reader(settings(tmp_path)) as reader, pytest.raises(duckdb.IOException, match="signature"):
            reader.execute(f"LOAD '{file}'")
        with open_reader(settings(tmp_path)) as reader, pytest.raises(duckdb.InvalidInputException, match="unsigned"):
            reader.execute("SET allow_unsigned_extensions = true")


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    lake = dataset(tmp_path)
    lake.open()
    lake.close()
    with open_reader(settings(tmp_path)) as connection, pytest.raises(Exception, match="read-only"):
        connection.execute("DELETE FROM clips")


def test_no_dataset_yet_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset yet"), open_reader(settings(tmp_path)):
        pass
    assert ended_videos(settings(tmp_path), ["vid"]) == set()
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_told(tmp_path: Path) -> None:
    lake = dataset(tmp_path)
    lake.open()
    lake.lake.execute("UPDATE dataset_version SET schema_version = 7")
    lake.close()
    with pytest.raises(DatasetError, match="version 7"), open_reader(settings(tmp_path)):
        pass


def test_ended_videos_are_those_done_or_failed(tmp_path: Path) -> None:
    from tests.stores.lakes import dead

    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    lake.commit(
        logs.deliver(rejected("one"), done(tmp_path, "one"), dead("download", "two"), done(tmp_path, "three", 2))
    )
    # While the writer is open in the same process, as in a worker with the embedded broker.
    assert ended_videos(settings(tmp_path), ["one", "two", "three", "four", "it's"]) == {"one", "two"}
    assert ended_videos(settings(tmp_path), []) == set()
    lake.commit(logs.deliver(rejected("three", 0, 2)))
    lake.close()
    assert rows(tmp_path, "SELECT count(*) FROM clips") == [(2,)]
