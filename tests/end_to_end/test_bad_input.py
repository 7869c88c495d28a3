"""Whatever is published ends: as a row with a reason, or as a dead letter that `dead-letters show` explains."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.end_to_end.bad_files import LENGTH_S, make_bad_files
from tests.end_to_end.daemon import running, write_settings
from tests.end_to_end.wire import everything, kcat
from vta_stream.cli import main
from vta_stream.settings import load_settings
from vta_stream.stores.reader import open_reader
from vta_stream.stream.contracts import ContractError, check_record
from vta_stream.toyworld.server import ToyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

JUNK = (b"\xff\xfe\x00\x01 junk", b"this is no video", b'{"id": "x1", "prioritty": 3}')
PARTS = re.MULTILINE | re.DOTALL
OFF_LIMITS = Path("/etc/hostname")

FAILED = {
    "empty": "empty_file",
    "truncated": "damaged",
    "audio_only": "no_video_stream",
    "folder": "is_folder",
    "missing": "not_found",
    "outside": "not_allowed",
    "other_host": "not_allowed",
    "youtube_is_off": "not_allowed",
    "too_long": "too_long",
    "unknown": "not_found",
    "removed": "removed",
    "private": "forbidden",
}
"""Name -> the reason with which it ends."""

DONE = ("without_speech", "video_only", "rotated", "ten_bit", "variable_rate", "damaged_inside", "busy", "stumbling")
"""These are odd, and give clips."""

NO_CLIPS = {"phone": "too_short", "short_ten_bit": "too_short"}
"""Done, and the row says why there are no clips."""


@dataclass(frozen=True)
class Run:
    """What is left of one run of the daemon on everything that is bad."""

    settings_file: Path
    records: dict[str, list[tuple[bytes | None, bytes | None]]]
    seen: dict[str, int]
    exit_code: int

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with open_reader(load_settings(self.settings_file, {})) as lake:
            return list(lake.execute(sql).to_arrow_table().to_pylist())

    def video(self, name: str) -> dict[str, Any]:
        (row,) = self.rows(f"FROM videos WHERE video_id = '{_id(name)}'")
        return row

    @cached_property
    def letters(self) -> list[dict[str, Any]]:
        """What `dead-letters list` lists, each with `told`, what `dead-letters show` says of it."""
        letters = json.loads(self.print("list", "--limit", "1000", "--json"))["dead_letters"]
        text = self.print("show", *(letter["id"] for letter in letters))
        told = {found[1]: found[0] for found in re.finditer(r"^dead letter (\S+),.*?(?=^dead letter |\Z)", text, PARTS)}
        return [{**letter, "told": told[letter["id"]]} for letter in letters]

    def letter(self, video_id: str) -> dict[str, Any]:
        """The one dead letter of that video."""
        (letter,) = (letter for letter in self.letters if letter["video_id"] == video_id)
        return letter

    def print(self, *arguments: str) -> str:
        """What `vta-stream dead-letters` prints."""
        arguments = ("-s", str(self.settings_file), "dead-letters", *arguments)
        return CliRunner().invoke(main, arguments, catch_exceptions=False).output


def _id(name: str) -> str:
    return "dQw4w9WgXcQ" if name == "youtube_is_off" else name


def _request(name: str, url: str) -> bytes:
    return json.dumps({"id": name, "url": url}).encode()


def _requests(server: ToyServer, shared_media: Path, made: dict[str, Path]) -> list[bytes]:
    files = {
        **made,
        "audio_only": shared_media / "hostile" / "audio_only_named.mp4",
        "damaged_inside": shared_media / "hostile" / "decord_corrupted_nal.mp4",
        "phone": shared_media / "hostile" / "rotate_90.mov",
        "short_ten_bit": shared_media / "hostile" / "tc_h265_10bits.mp4",
        "too_long": shared_media / "video" / "autoeditor_example.mp4",
        "folder": made["empty"].parent,
        "missing": made["empty"].with_name("nothing.mp4"),
        "outside": OFF_LIMITS,
    }
    urls = {
        "unknown": server.url("status/404/plain.mp4"),
        "removed": server.url("status/410/plain.mp4"),
        "private": server.url("status/403/plain.mp4"),
        "busy": server.url("status/429/plain.mp4?times=1&retry_after=1"),
        "stumbling": server.url("status/500/plain.mp4?times=1"),
        "other_host": "http://videos.example.org/plain.mp4",
    }
    urls |= {name: path.as_uri() for name, path in files.items()}
    return [*JUNK, b"dQw4w9WgXcQ", *(_request(name, url) for name, url in urls.items())]


@pytest.fixture(scope="module")
def run(once: Callable[..., Run], kafka: str, tiny_models: Path, shared_media: Path) -> Run:
    """Everything at once through one daemon."""
    return once("bad", partial(_make_run, kafka, tiny_models, shared_media))


def _make_run(kafka: str, tiny_models: Path, shared_media: Path, folder: Path) -> Run:
    made = make_bad_files(folder / "media")
    prefix = "e2e-bad"
    settings_file = write_settings(
        folder,
        tiny_models,
        kafka={"bootstrap_servers": kafka, "topic_prefix": prefix},
        download={
            "url_hosts": ["127.0.0.1"],
            "allow_private_networks": True,
            "file_roots": [folder / "media", shared_media / "hostile", shared_media / "video"],
            "max_duration_s": 41.0,
        },
        retry={"base_s": 0.2, "max_s": 1.0},
        filters={"clip_match": None, "caption_match": None},
    )
    with ToyServer(folder / "media") as server, running(settings_file) as daemon:
        kcat(kafka, f"{prefix}.videos", _requests(server, shared_media, made))
        daemon.until_ended(len(FAILED) + len(DONE) + len(NO_CLIPS))
        nameless = "SELECT 1 FROM dead_letters WHERE video_id IS NULL"
        daemon.until("the junk is in", lambda: len(daemon.rows(nameless)) == len(JUNK))
        seen = {name: server.count(f"status/{name}/plain.mp4") for name in ("429", "500")}
        exit_code = daemon.interrupt()
    return Run(settings_file, everything(kafka, prefix), seen, exit_code)


def test_it_goes_on_to_a_good_end(run: Run) -> None:
    assert run.exit_code == 0
    assert {row["video_id"] for row in run.rows("SELECT video_id FROM videos")} == {
        _id(name) for name in (*FAILED, *DONE, *NO_CLIPS)
    }


@pytest.mark.parametrize("name", FAILED)
def test_it_ends_as_a_row_and_as_a_dead_letter_that_is_explained(run: Run, name: str) -> None:
    row = run.video(name)
    assert (row["status"], row["failed_stage"], row["reason"]) == ("failed", "download", FAILED[name])
    letter = run.letter(_id(name))
    assert (letter["stage"], letter["kind"], letter["reason"]) == ("download", "terminal", FAILED[name])
    assert _id(name) in letter["value"], "the input, as it came"
    told = letter["told"]
    assert re.search(rf"reason +{FAILED[name]} \(terminal\)", told)
    assert row["message"] in told
    assert re.search(r"what now +\S", told)
    assert re.search(r"retry +vta-stream dead-letters retry", told)


@pytest.mark.parametrize("name", DONE)
def test_what_is_only_odd_gives_clips(run: Run, name: str) -> None:
    row = run.video(name)
    assert (row["status"], row["reason"]) == ("done", None)
    assert row["clip_count"] >= 1
    (clips,) = run.rows(f"SELECT count(*) AS count, sum(duration_s) AS length_s FROM clips WHERE video_id = '{name}'")
    assert clips["count"] == row["clip_count"]
    assert 2.0 <= clips["length_s"] <= row["decoded_s"] + 0.05
    assert name not in {letter["video_id"] for letter in run.letters}


@pytest.mark.parametrize("name", NO_CLIPS)
def test_what_gives_no_clips_says_why(run: Run, name: str) -> None:
    row = run.video(name)
    assert (row["status"], row["reason"], row["clip_count"]) == ("done", NO_CLIPS[name], 0)


def _input(letter: dict[str, Any]) -> bytes:
    value: str = letter["value"]
    return base64.b64decode(value) if letter["value_base64"] else value.encode()


@pytest.mark.parametrize("value", JUNK, ids=["bytes", "words", "typo"])
def test_junk_is_kept_as_it_came_and_explained(run: Run, value: bytes) -> None:
    junk = {_input(letter): letter for letter in run.letters if letter["video_id"] is None}
    assert junk.keys() == set(JUNK)
    assert (junk[value]["topic"], junk[value]["reason"], junk[value]["kind"]) == ("videos", "bad_message", "terminal")
    expected = {JUNK[0]: "not UTF-8", JUNK[1]: "YouTube ID", JUNK[2]: "unknown key 'prioritty'"}
    assert expected[value] in junk[value]["told"]


def test_outside_the_roots_nothing_is_told_of_the_file(run: Run) -> None:
    told = run.letter("outside")["told"]
    assert "download.file_roots" in told
    assert OFF_LIMITS.read_text().strip() not in told.replace(str(OFF_LIMITS), "")


def test_a_busy_and_a_stumbling_server_were_asked_again(run: Run) -> None:
    assert run.seen["429"] >= 2
    assert run.seen["500"] >= 2


def test_rotation_depth_and_rate_are_as_they_are(run: Run) -> None:
    rotated, deep, phone = run.video("rotated"), run.video("ten_bit"), run.video("phone")
    assert (rotated["rotation_deg"], rotated["width_px"], rotated["height_px"]) == (90, 180, 320)
    assert phone["rotation_deg"] == 90
    assert deep["pixel_format"] == "yuv420p10le"
    assert run.video("video_only")["audio_codec"] is None


def test_the_clip_of_a_variable_rate_is_as_long_as_the_video(run: Run) -> None:
    """By the number of frames and any steady rate but the mean it would not be."""
    assert abs(run.video("variable_rate")["decoded_s"] - LENGTH_S) < 0.1
    (clip,) = run.rows("FROM clips WHERE video_id = 'variable_rate'")
    assert abs(clip["cut"]["got_end_s"] - clip["cut"]["got_start_s"] - LENGTH_S) < 0.1
    assert clip["verdicts"], "judged, not refused by the cut"
    assert "cut" not in {verdict["filter"] for verdict in clip["verdicts"]}


def test_without_speech_there_are_clips_without_text(run: Run) -> None:
    (row,) = run.rows("SELECT source, word_count FROM transcripts WHERE video_id = 'without_speech'")
    assert row["word_count"] == 0
    assert {clip["text"] for clip in run.rows("SELECT text FROM clips WHERE video_id = 'without_speech'")} == {""}


def test_every_record_but_the_junk_is_as_its_contract_says(run: Run) -> None:
    for name, records in run.records.items():
        for _, value in records:
            if name == "videos" and value in JUNK:
                with pytest.raises(ContractError):
                    check_record(name, value)
            else:
                check_record(name, value)
    assert run.records["download.retries"], "the 429 and the 500 went round"
    assert len(run.records["dead-letters"]) == len(FAILED) + len(JUNK)


def test_a_private_network_is_not_reached_unless_allowed(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """All hosts are taken here, and that means all public ones."""
    made = make_bad_files(tmp_path / "media")
    settings_file = write_settings(
        tmp_path,
        None,
        kafka={"bootstrap_servers": kafka, "topic_prefix": topic_prefix},
        download={"url_hosts": ["*"]},
    )
    with ToyServer(made["empty"].parent) as server, running(settings_file, "--agents", "download") as daemon:
        urls = [server.url("plain.mp4", host) for host in ("127.0.0.1", "localhost", "2130706433")]
        kcat(kafka, f"{topic_prefix}.videos", [_request(f"at-{n}", url) for n, url in enumerate(urls)])
        topic = "dead-letters"
        daemon.until("all are dead letters", lambda: len(everything(kafka, topic_prefix, [topic])[topic]) == len(urls))
        assert daemon.interrupt() == 0
        assert server.seen == []
    told = CliRunner().invoke(main, ["-s", str(settings_file), "dead-letters", "show", "at-0"]).output
    assert re.search(r"reason +not_allowed \(terminal\)", told)
    assert "127.0.0.1 (it is loopback)" in told
