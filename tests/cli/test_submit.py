"""submit: everything that can be a request is safe when it returns, and the rest is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition

from tests.kafka_process import create_topics
from vta_stream.cli import main
from vta_stream.domain.request import parse_request
from vta_stream.stream.contracts import check_record
from vta_stream.stream.journal import Journal, journal_file


def _submit(data: Path, *arguments: str, text: str = "", **environment: str) -> Result:
    return CliRunner().invoke(
        main, ["--data-dir", str(data), "submit", *arguments], input=text, env=environment, catch_exceptions=False
    )


def _journal(data: Path) -> list[bytes]:
    return [entry.value for entry in Journal(journal_file(data)).read(0)]


def _requests(data: Path) -> list[Any]:
    return [parse_request(value) for value in _journal(data)]


def test_without_a_worker_requests_wait_in_the_journal(tmp_path: Path) -> None:
    done = _submit(tmp_path, "dQw4w9WgXcQ", "https://example.org/a.mp4", '{"id": "AAAAAAAAAAA", "priority": 2}')
    assert done.exit_code == 0
    assert "3 requests published" in done.output
    assert "vta-stream run" in done.output
    assert [request.source for request in _requests(tmp_path)] == ["youtube", "url", "youtube"]


def test_options_are_put_on_every_request(tmp_path: Path) -> None:
    options = ("--priority", "7", "--label", "set=a", "--label", "note=x=y", "--language", "pt-BR")
    text = 'dQw4w9WgXcQ\n{"id": "AAAAAAAAAAA", "priority": 2, "labels": {"set": "b", "more": "c"}, "language": "en"}\n'
    assert _submit(tmp_path, "-", *options, text=text).exit_code == 0
    one, two = _requests(tmp_path)
    assert (one.priority, one.labels, one.language) == (7, {"set": "a", "note": "x=y"}, "pt-BR")
    assert (two.priority, two.labels, two.language) == (7, {"set": "a", "note": "x=y", "more": "c"}, "pt-BR")


def test_an_id_that_begins_with_a_dash_is_no_option(tmp_path: Path) -> None:
    assert _submit(tmp_path, "-w4w9WgXcQ1", "--priority", "3", "-hlpw9WgXcQ").exit_code == 0
    assert [request.video_id for request in _requests(tmp_path)] == ["-w4w9WgXcQ1", "-hlpw9WgXcQ"]
    assert {request.priority for request in _requests(tmp_path)} == {3}


def test_folders_are_expanded_and_other_files_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "my videos"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.mp4", "b#1.MKV", "a.srt", ".hidden.mp4", "deep/c.webm"):
        (folder / name).touch()
    done = _submit(tmp_path / "data", str(folder), str(folder / "a.mp4"))
    assert done.exit_code == 0
    assert "file_roots" in done.stderr
    urls = [request.url for request in _requests(tmp_path / "data")]
    base = folder.as_uri()
    assert urls == [f"{base}/a.mp4", f"{base}/b%231.MKV", f"{base}/deep/c.webm", f"{base}/a.mp4"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("what", "neither"),
        ("list.txt", "submit - < list.txt"),
        ("empty", "a folder without videos"),
        ("annotations", "./annotations"),
        ("ftp://example.org/a.mp4", "unknown scheme"),
    ],
)
def test_what_cannot_be_a_request_is_named_and_the_rest_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("dQw4w9WgXcQ\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "annotations").mkdir()
    done = _submit(tmp_path, "dQw4w9WgXcQ", text, "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["published"] == 1
    (refused,) = answer["refused"]
    assert refused["input"] == text
    assert why in refused["error"]
    assert len(_journal(tmp_path)) == 1


@pytest.mark.parametrize("option", [("--label", "novalue"), ("--label", "=x")])
def test_labels_are_pairs(tmp_path: Path, option: tuple[str, str]) -> None:
    done = _submit(tmp_path, "dQw4w9WgXcQ", *option)
    assert done.exit_code == 2
    assert "KEY=VALUE" in done.stderr


def test_bytes_that_are_no_text_are_refused_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vta_stream", "--data-dir", str(tmp_path), "submit", "-", "--json"]
    done = subprocess.run(command, input=b"dQw4w9WgXcQ\n\xff\xfe\nAAAAAAAAAAA\n", capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["published"] == 2


def test_a_slow_pipe_is_not_kept_waiting(tmp_path: Path) -> None:
    """The first line of a pipe that stays open is published while it is open."""
    command = [sys.executable, "-m", "vta_stream", "--data-dir", str(tmp_path), "submit", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write("dQw4w9WgXcQ\n")
        process.stdin.flush()
        while not _journal(tmp_path):
            assert process.poll() is None
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.kafka
def test_with_kafka_every_request_is_acknowledged(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    create_topics(kafka, f"{topic_prefix}.videos")
    environment = {"VTA_STREAM__KAFKA__BOOTSTRAP_SERVERS": kafka, "VTA_STREAM__KAFKA__TOPIC_PREFIX": topic_prefix}
    ids = [f"{number:011d}" for number in range(1200)]
    done = _submit(tmp_path, "-", "--json", text="\n".join(ids), **environment)
    assert json.loads(done.stdout) == {"published": 1200, "refused": [], "to": f"{topic_prefix}.videos on {kafka}"}
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic_prefix})
    consumer.assign([TopicPartition(f"{topic_prefix}.videos", 0, 0)])
    messages = consumer.consume(1200, 30)
    consumer.close()
    for message in messages:
        check_record(f"{topic_prefix}.videos", message.value())
    assert [message.key().decode() for message in messages] == ids
    assert _journal(tmp_path) == []


@pytest.mark.kafka
def test_without_topics_it_says_how_to_make_them(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    environment = {"VTA_STREAM__KAFKA__BOOTSTRAP_SERVERS": kafka, "VTA_STREAM__KAFKA__TOPIC_PREFIX": topic_prefix}
    done = _submit(tmp_path, "dQw4w9WgXcQ", **environment)
    assert done.exit_code == 1
    assert "vta-stream topics apply" in done.stderr
