"""As `test_crashes`, where the files are in a bucket and the catalog may be in Postgres."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.s3_process import S3Process
from tests.stores.backends import Backend
from vta_stream import failpoints

ROOT = Path(__file__).parents[2]

# On S3 a shard is sealed (uploaded) before the transaction. Each commit takes a number first: that transaction counts.
KILLS = [
    ("s3", ("store.appending:3",)),
    ("s3", ("store.sealing:2",)),
    ("s3", ("store.sealed",)),
    ("postgres+s3", ("store.appended:2", "store.recovering")),
    ("postgres+s3", ("store.inserted:4",)),
    ("postgres+s3", ("store.committed:2",)),
    ("postgres+s3", ("store.listing:3", "store.appended", "store.sealed:2")),
    ("postgres", ("store.inserted:4", "store.recovering")),
    ("postgres", ("store.committed:2", "store.sealing")),
]


def write(place: Backend, failpoint: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(failpoints.VARIABLE, None)
    if failpoint:
        environment[failpoints.VARIABLE] = failpoint
    command = [sys.executable, "-m", "tests.stores.writer_process", str(place.folder), "0", json.dumps(place.store)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False, timeout=200)


def make(kind: str, folder: Path, request: pytest.FixtureRequest) -> Backend:
    place = Backend(folder)
    if "postgres" in kind:
        place.put_catalog(request.getfixturevalue("postgres"))
    if "s3" in kind:
        place.put_files(request.getfixturevalue("s3"))
    return place


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """What an undisturbed writer leaves, by kind; filled by who needs it first."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills"), KILLS, ids=[f"{kind} {'+'.join(kills)}" for kind, kills in KILLS])
def test_nothing_is_lost_or_twice_after_a_kill(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    undisturbed: dict[str, dict[str, list[str]]],
    kind: str,
    kills: tuple[str, ...],
) -> None:
    if kind not in undisturbed:
        quiet = make(kind, tmp_path / "undisturbed", request)
        result = write(quiet)
        assert result.returncode == 0, result.stderr
        assert quiet.check_samples() == 16
        undisturbed[kind] = quiet.state()
    place = make(kind, tmp_path / "killed", request)
    for kill in kills:
        result = write(place, kill)
        assert result.returncode == -signal.SIGKILL, (kill, result.stderr)
    result = write(place)
    assert result.returncode == 0, result.stderr
    assert place.check_samples() == 16
    assert place.state() == undisturbed[kind]
    assert not list(place.folder.rglob("staging/**/*.part"))


def test_what_was_uploaded_and_not_committed_is_an_orphan(tmp_path: Path, s3: S3Process) -> None:
    place = Backend(tmp_path).put_files(s3)
    assert write(place, "store.appended").returncode == -signal.SIGKILL
    orphans = place.shards
    assert len(orphans) == 4, "two layouts; four samples, three a shard"
    assert place.rows("SELECT count(*) FROM clips") == [(0,)]
    lake = place.dataset()
    lake.open()
    assert place.shards == set()
    # One that comes later, from a writer that was paused in its upload, is found between commits.
    late = next(iter(orphans))
    place.bucket.put(late, b"late")
    place.bucket.put(late.replace("-1.tar", "-99.tar"), b"of a writer after this one")
    lake._tidied_at_s = 0
    assert lake.tick()
    assert place.shards == {late.replace("-1.tar", "-99.tar")}
    lake.close()
