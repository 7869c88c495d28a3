"""replay: one stage on what lies on its topics; nothing is committed, and nothing is sent unless asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.builders import clip
from tests.kafka_process import create_topics
from tests.media.synthetic import counting
from tests.stages.clip_world import LENIENT, World, world
from vta_stream.cli import main
from vta_stream.domain.request import parse_request
from vta_stream.stream.codec import encode
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.contracts import check_record
from vta_stream.stream.embedded import EmbeddedBroker
from vta_stream.stream.reading import read_topic

STAGES = ("download", "transcribe", "segment", "score", "caption", "embed")


@dataclass
class Place:
    """A data folder, a broker, and the command on both."""

    folder: Path
    address: str | None = None
    prefix: str = "vta"
    settings: dict[str, Any] = field(default_factory=dict)

    def put(self, topic: str, *values: bytes, address: str | None = None) -> None:
        producer = Producer({"bootstrap.servers": address or self.address, "log_level": 2})
        for value in values:
            producer.produce(f"{self.prefix}.{topic}", value=value, partition=0)
        assert producer.flush(30) == 0

    def on(self, topic: str) -> list[bytes]:
        assert self.address is not None
        found = read_topic(BrokerConnection(self.address), self.prefix, topic)
        return [message.value or b"" for message in found]

    def run(self, *arguments: str) -> Result:
        kafka = {"bootstrap_servers": self.address, "topic_prefix": self.prefix}
        file = self.folder / "settings.yaml"
        file.write_text(yaml.safe_dump({"data_dir": str(self.folder), "kafka": kafka, **self.settings}))
        return CliRunner().invoke(main, ["-s", str(file), "replay", *arguments], catch_exceptions=False)

    def media(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in (self.folder / "media").rglob("*") if path.is_file()}


@pytest.fixture
def place(kafka: str, topic_prefix: str, tmp_path: Path) -> Place:
    names = ("videos", "videos.downloaded", "clips.segmented", "clips.scored", "clips.rejected")
    create_topics(kafka, *(f"{topic_prefix}.{name}" for name in names))
    return Place(tmp_path, kafka, topic_prefix)


def _video(place: Place) -> str:
    """A file, allowed; returns its URL."""
    folder = place.folder / "films"
    folder.mkdir()
    place.settings = {"download": {"file_roots": [str(folder)]}, "media_store": {"min_free_bytes": 0}}
    return counting(folder / "film.mp4", 10, Fraction(5)).as_uri()


@pytest.mark.kafka
def test_download_again_shows_the_record_and_leaves_nothing(place: Place) -> None:
    url = _video(place)
    place.put("videos", b"dQw4w9WgXcQ", b"junk", url.encode(), json.dumps({"url": url, "priority": 5}).encode())
    done = place.run("--agent", "download", "--video", url, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["published"] == 0
    assert answer["video_id"] == parse_request(url.encode()).video_id
    (row,) = answer["inputs"]
    assert (row["topic"], row["offset"], row["failure"]) == ("videos", 3, None), "of two requests it is the last"
    (emission,) = row["emissions"]
    assert emission["topic"] == "videos.downloaded"
    assert emission["record"]["request"]["priority"] == 5
    check_record("videos.downloaded", json.dumps(emission["record"]).encode())
    assert place.media() == set()
    assert list((place.folder / "state").iterdir()) == []
    assert place.on("videos.downloaded") == []
    groups = AdminClient({"bootstrap.servers": place.address}).list_consumer_groups().result(30).valid
    assert not [group.group_id for group in groups if place.prefix in group.group_id], "it joined a consumer group"


@pytest.mark.kafka
def test_publish_sends_what_a_worker_would_and_keeps_the_media(place: Place) -> None:
    url = _video(place)
    place.put("videos", url.encode())
    done = place.run("--agent", "download", "--video", url, "--publish")
    assert done.exit_code == 0, done.output
    assert "1 records sent" in done.stderr
    assert "-> videos.downloaded" in done.stdout
    (value,) = place.on("videos.downloaded")
    record = json.loads(value)
    check_record("videos.downloaded", value)
    assert f"media/{record['media']['path']}" in place.media()


def _clips(place: Place, tiny_clip: Path, tiny_coca: Path, **limits: Any) -> World:
    """Settings with small models, and a world whose media store is the place's."""
    here = world(place.folder, tiny_clip, tiny_coca)
    models = {"image_text": {"name": str(tiny_clip)}, "captions": {"name": str(tiny_coca)}, "threads": 1}
    place.settings = {"models": {**models, "device": "cpu"}, "filters": {**LENIENT, **limits}}
    return here


@pytest.mark.kafka
def test_score_again_with_other_limits(place: Place, tiny_clip: Path, tiny_coca: Path) -> None:
    here = _clips(place, tiny_clip, tiny_coca, motion={"minimum": 50}, speech_ratio={"minimum": 0})
    first, second = here.segmented(start_s=1.0, index=0), here.segmented(start_s=20.0, index=1)
    gone, foreign = clip(start_s=40.0, end_s=44.0, index=2), here.segmented("vid-10")
    place.put("clips.segmented", *(encode("clips.segmented", each) for each in (second, gone, foreign, first)))
    before = place.media()
    done = place.run("--agent", "score", "--video", "vid-1", "--json")
    assert done.exit_code == 1, "one clip's frames are gone"
    rows = json.loads(done.stdout)["inputs"]
    assert [row["clip_id"] for row in rows] == [first.clip_id, second.clip_id, gone.clip_id]
    for row in rows[:2]:
        (emission,) = row["emissions"]
        assert emission["topic"] == "clips.rejected"
        assert [each["filter"] for each in emission["record"]["verdicts"] if not each["keep"]] == ["motion"]
    assert rows[2]["failure"]["reason"] == "media_gone"
    assert "Submit the video again" in rows[2]["failure"]["advice"]
    assert place.media() == before, "the features are thrown away"
    told = place.run("--agent", "score", "--video", "vid-1").stdout
    for part in ("clips.segmented 0:3", "reject", "motion 12", "media_gone", "2 records out, 1 failures"):
        assert part in told
    assert place.on("clips.rejected") == []


@pytest.mark.kafka
def test_nothing_found(place: Place) -> None:
    place.put("videos", b"dQw4w9WgXcQ")
    done = place.run("--agent", "download", "--video", "AAAAAAAAAAA")
    assert done.exit_code == 1
    for part in ("among the 1 records", f"{place.prefix}.videos", "retention", "vta-stream submit AAAAAAAAAAA"):
        assert part in done.stderr
    missing = place.run("--agent", "caption", "--video", "AAAAAAAAAAA").stderr
    assert "nothing of AAAAAAAAAAA" in missing
    missing = place.run("--agent", "embed", "--video", "AAAAAAAAAAA").stderr
    assert "vta-stream topics apply" in missing


def test_on_the_embedded_broker(tmp_path: Path) -> None:
    place = Place(tmp_path)
    url = _video(place)
    with EmbeddedBroker(tmp_path / "state", "vta") as connection:
        place.put("videos", url.encode(), address=connection.bootstrap_servers)
        done = place.run("--agent", "download", "--video", url, "--publish", "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["published"] == 1
        (message,) = read_topic(connection, "vta", "videos.downloaded")
        check_record("videos.downloaded", message.value)
        assert message.key == parse_request(url.encode()).video_id.encode()


def test_a_stage_that_cannot_start_says_why(tmp_path: Path) -> None:
    place = Place(tmp_path, settings={"download": {"file_roots": [str(tmp_path / "nowhere")]}})
    with EmbeddedBroker(tmp_path / "state", "vta") as connection:
        place.put("videos", b"dQw4w9WgXcQ", address=connection.bootstrap_servers)
        done = place.run("--agent", "download", "--video", "dQw4w9WgXcQ")
    assert done.exit_code == 1
    assert "no_file_root" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--agent", "store", "--video", "dQw4w9WgXcQ"), "the store writes the dataset"),
        (("--agent", "scoer", "--video", "dQw4w9WgXcQ"), "score"),
        (("--agent", "score", "--video", "what is it"), "neither"),
        (("--agent", "score"), "--video"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    done = Place(tmp_path).run(*arguments)
    assert done.exit_code == 2
    assert why in done.stderr


def test_without_a_broker(tmp_path: Path) -> None:
    done = Place(tmp_path).run("--agent", "score", "--video", "-w4w9WgXcQ1")
    assert done.exit_code == 1
    assert "vta-stream run" in done.stderr
