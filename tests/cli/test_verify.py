"""`vta-stream verify` on a real dataset: its words, its JSON, its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.stores.lakes import dataset, settings
from tests.stores.verifying.damages import A1, OPEN, TRAIN, append, cut
from tests.stores.verifying.worlds import copied, forget_template, run_sql
from vta_stream.cli import main


@pytest.fixture(scope="module", autouse=True)
def _template_goes() -> Iterator[None]:
    yield
    forget_template()


def verify(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["-d", str(folder), "verify", *options])


def test_clean_and_then_with_findings_and_then_mended(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    result = verify(tmp_path)
    assert (result.exit_code, result.stdout.splitlines()[-1].rpartition(": ")[2]) == (0, "clean")

    append(f"{OPEN}.part", b"torn")(folder)
    result = verify(tmp_path)
    assert result.exit_code == 1
    line, last = result.stdout.splitlines()
    assert line == (
        f"shard_tail {OPEN}.part: 4 bytes (an open shard has bytes that were never committed; --repair mends it: "
        "they are cut off)"
    )
    assert last.endswith(": 1 findings")

    result = verify(tmp_path, "--repair")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith(f"mended: {OPEN}.part: cut to its")


def test_what_is_lost_is_said_with_the_command_that_brings_it_back(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    cut(TRAIN, 6000)(folder)
    result = verify(tmp_path, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    (finding,) = told["findings"]
    assert (finding["kind"], finding["mend"], finding["clips"], finding["videos"]) == (
        "shard_short",
        "drop",
        [A1],
        ["vid-a"],
    )
    request = (
        """echo '{"video_id":"vid-a","url":"https://example.org/vid-a.mp4","source":"url"}' | vta-stream submit -"""
    )
    assert told["submit"] == [request]
    assert not told["clean"]

    result = verify(tmp_path, "--repair", "--drop-lost", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["clean"], told["submit"]) == (0, True, [request])
    assert any(line.startswith("clips: 1 rows removed") for line in told["mended"])


def test_what_could_not_be_checked_is_neither_clean_nor_a_finding(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert result.exit_code == 2
    assert "no dataset yet under" in result.stderr
    assert verify(tmp_path, "--drop-lost").exit_code == 2


def test_a_repair_beside_a_worker_is_refused(tmp_path: Path) -> None:
    copied(tmp_path)
    lake = dataset(tmp_path)
    lake.open()
    result = verify(tmp_path, "--repair")
    assert result.exit_code == 2
    assert "is being written by process" in result.stderr
    result = verify(tmp_path)
    assert result.exit_code == 0
    assert "note: a worker is writing" in result.stdout
    lake.close()


def test_a_folder_may_be_named(tmp_path: Path) -> None:
    copied(tmp_path)
    run_sql(settings(tmp_path).dataset_dir, "UPDATE shards SET sample_count = 7 WHERE state = 'open'")
    result = CliRunner().invoke(main, ["-d", str(tmp_path / "other"), "verify", str(settings(tmp_path).dataset_dir)])
    assert result.exit_code == 1
    assert "shard_count" in result.stdout
