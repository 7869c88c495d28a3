"""dead-letters out of the dataset: while no broker runs, and for what the topic has forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from tests.builders import clip, segmented_video, video
from tests.stores.lakes import Logs, dataset, dead
from vta_stream.cli import main
from vta_stream.domain.clip import SegmentedVideo
from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.request import parse_request
from vta_stream.stream.codec import encode
from vta_stream.stream.embedded import EmbeddedBroker
from vta_stream.stream.journal import Journal, journal_file

PRIVATE = dead("download", "dQw4w9WgXcQ", value='{"id":"dQw4w9WgXcQ","priority":3}')
CRASHED = dead(
    "score",
    "AAAAAAAAAAA",
    "AAAAAAAAAAA_000001000_000005000_0a1b2c3d",
    topic="clips.segmented",
    value=encode("clips.segmented", clip("AAAAAAAAAAA")).decode(),
    kind="unknown",
    reason="unknown",
    message="\x1b[31mdied",
    failed_at_s=1_700_000_100.0,
)
JUNK = dead("download", None, offset=2, value="//4=", value_base64=True, reason="bad_message")


def _store(data: Path, *letters: DeadLetter | SegmentedVideo) -> None:
    lake = dataset(data)
    lake.open()
    lake.commit(Logs().deliver(*letters))
    lake.close()


def _run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--data-dir", str(data), "dead-letters", *arguments], catch_exceptions=False)


def _ids(done: Result) -> dict[str, str]:
    """reason -> ID."""
    return {letter["reason"]: letter["id"] for letter in json.loads(done.stdout)["dead_letters"]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    _store(tmp_path, PRIVATE, CRASHED, JUNK)
    return tmp_path


def test_without_a_broker_the_datasets_are_listed_and_it_says_so(data: Path) -> None:
    done = _run(data, "list", "--json")
    assert "the dataset's dead letters: no broker" in done.stderr
    answer = json.loads(done.stdout)
    assert [letter["reason"] for letter in answer["dead_letters"]] == ["unknown", "bad_message", "private"]
    assert all(letter["id"].startswith("d") for letter in answer["dead_letters"])
    assert {row["reason"]: row["count"] for row in answer["counts"]} == {"private": 1, "unknown": 1, "bad_message": 1}
    (letter,) = json.loads(_run(data, "list", "--video", "dQw4w9WgXcQ", "--json").stdout)["dead_letters"]
    assert DeadLetter(**{name: value for name, value in letter.items() if name != "id"}) == PRIVATE


def test_show_by_id_and_by_video(data: Path) -> None:
    name = _ids(_run(data, "list", "--json"))["unknown"]
    told = _run(data, "show", name).stdout
    assert f"dead letter {name}" in told
    assert "a defect of the program" in told
    assert "\x1b" not in told + _run(data, "list").stdout
    assert "private (terminal)" in _run(data, "show", "dQw4w9WgXcQ").stdout
    missing = _run(data, "show", "d00000000")
    assert missing.exit_code == 1
    assert "d00000000" in missing.stderr


def test_retry_writes_requests_into_the_journal_and_refuses_junk(data: Path) -> None:
    done = _run(data, "retry", "--all", "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    names = _ids(_run(data, "list", "--json"))
    assert answer["sent"] == [names["private"], names["unknown"]]
    refused = {why.partition(":")[0]: why for why in answer["refused"]}
    assert "cannot be read" in refused[names["bad_message"]]
    assert "a worker reads when it starts" in done.stderr
    private, clips_video = (parse_request(entry.value) for entry in Journal(journal_file(data)).read(0))
    assert clips_video == parse_request(b"AAAAAAAAAAA"), "an ID of YouTube's is its own request"
    assert private.priority == 3


def test_a_clips_video_is_looked_up_in_the_dataset(tmp_path: Path) -> None:
    lost = clip("talk-1")
    letter = dead(
        "score", "talk-1", lost.clip_id, topic="clips.segmented", value=encode("clips.segmented", lost).decode()
    )
    _store(tmp_path, letter)
    refused = _run(tmp_path, "retry", "--all")
    assert refused.exit_code == 1
    assert "does not know the URL of talk-1" in refused.stderr
    _store(tmp_path, segmented_video("talk-1"))
    assert _run(tmp_path, "retry", "--all").exit_code == 0
    (entry,) = Journal(journal_file(tmp_path)).read(0)
    assert parse_request(entry.value).url == video("talk-1").request.url


def test_without_a_broker_and_without_a_dataset(tmp_path: Path) -> None:
    done = _run(tmp_path, "list")
    assert done.exit_code == 1
    assert "no dataset yet" in done.stderr


def test_a_new_embedded_broker_has_forgotten_and_the_dataset_has_not(data: Path) -> None:
    with EmbeddedBroker(data / "state", "vta") as connection:
        producer = Producer({"bootstrap.servers": connection.bootstrap_servers, "log_level": 2})
        fresh = dead("download", "BBBBBBBBBBB", reason="removed")
        producer.produce("vta.dead-letters", value=encode("dead-letters", fresh), partition=0)
        assert producer.flush(30) == 0
        assert _ids(_run(data, "list", "--json")) == {"removed": "0:0"}
        stored = _ids(_run(data, "list", "--dataset", "--json"))
        assert set(stored) == {"private", "unknown", "bad_message"}
        shown = json.loads(_run(data, "show", "0:0", stored["private"], "--json").stdout)
        assert {letter["reason"] for letter in shown} == {"removed", "private"}
        done = _run(data, "retry", stored["unknown"])
        assert (done.exit_code, done.stdout) == (0, "1 videos published again\n")
