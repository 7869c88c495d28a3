"""Real videos, published with kcat to a real Kafka, come out as rows and as shards that trainers read."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest

from tests.end_to_end.daemon import ENDED, Daemon, running, write_settings
from tests.end_to_end.subtitles import agreeing, read_srt
from tests.end_to_end.wire import everything, kcat
from tests.models.tiny_whisper import SAYS
from vta_stream.domain.ids import video_id_of_url
from vta_stream.settings import Settings
from vta_stream.stores.catalog import extension_file
from vta_stream.stores.reader import attach_statement, open_reader
from vta_stream.stream.contracts import check_record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SHARD_SAMPLES = 3
SLIDES_S = [7.10, 50.77, 69.87, 92.83, 100.50, 113.70]
"""When the slides of the talk change, by the manifest of the media."""
SINTEL_SRT = """\
1
00:00:12,000 --> 00:00:15,000
What brings you to the land of the gatekeepers?

2
00:00:18,500 --> 00:00:20,500
I'm searching for someone.

3
00:00:36,500 --> 00:00:39,000
A dangerous quest for a lone hunter.

4
00:00:41,500 --> 00:00:44,000
I've been alone for as long as I can remember.
"""
"""The trailer's own subtitles; the file on this machine comes without them."""


@dataclass(frozen=True)
class Run:
    """What is left of one run of the daemon. `files`: file name -> path; `seen`: what the plain reader saw."""

    settings: Settings
    files: dict[str, Path]
    records: dict[str, list[tuple[bytes | None, bytes | None]]]
    seen: list[list[int]]
    exit_code: int
    log: str

    def video_id(self, name: str) -> str:
        return video_id_of_url(self.files[name].as_uri())

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with open_reader(self.settings) as lake:
            return list(lake.execute(sql).to_arrow_table().to_pylist())

    def clips(self, name: str) -> list[dict[str, Any]]:
        return self.rows(f"FROM clips WHERE video_id = '{self.video_id(name)}' ORDER BY start_s")

    def transcript_source(self, name: str) -> str:
        ((row),) = self.rows(f"SELECT source FROM transcripts WHERE video_id = '{self.video_id(name)}'")
        return str(row["source"])


@pytest.fixture(scope="module")
def run(once: Callable[..., Run], kafka: str, tiny_models: Path, shared_media: Path) -> Run:
    """All the videos, and Sintel's trailer once more with its subtitles beside it, through one daemon."""
    return once("real", partial(_make_run, kafka, tiny_models, shared_media))


def _make_run(kafka: str, tiny_models: Path, shared_media: Path, folder: Path) -> Run:
    (folder / "media").mkdir()
    titled = folder / "media" / "sintel_with_subtitles.mp4"
    shutil.copyfile(shared_media / "video" / "sintel_trailer_480p_en.mp4", titled)
    titled.with_suffix(".en.srt").write_text(SINTEL_SRT, encoding="utf-8")
    files = {path.name: path for path in [*sorted((shared_media / "video").iterdir()), titled]}
    prefix = "e2e-real"
    settings_file = write_settings(
        folder,
        tiny_models,
        kafka={"bootstrap_servers": kafka, "topic_prefix": prefix},
        download={"file_roots": [shared_media / "video", folder / "media"]},
        store={"shard_samples_max": SHARD_SAMPLES},
        filters={name: None for name in Settings().filters if name != "motion"},
    )
    with running(settings_file) as daemon:
        kcat(kafka, f"{prefix}.videos", [path.as_uri().encode() for path in files.values()])
        daemon.until("the first clip is in", lambda: daemon.rows("FROM clips LIMIT 1"))
        reader = _plain_reader(daemon, len(files))
        try:
            daemon.until_ended(len(files))
            out, errors = reader.communicate(timeout=120)
        finally:
            reader.kill()
        assert reader.returncode == 0, errors
        exit_code = daemon.interrupt()
    return Run(daemon.settings, files, everything(kafka, prefix), json.loads(out), exit_code, daemon.told())


def _plain_reader(daemon: Daemon, count: int) -> subprocess.Popen[str]:
    extensions = [str(extension_file(name)) for name in ("sqlite_scanner", "ducklake")]
    line = [
        sys.executable,
        str(Path(__file__).with_name("plain_reader.py")),
        attach_statement(daemon.settings),
        str(count),
        *extensions,
    ]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_all_end_as_rows_and_the_daemon_ends_well(run: Run) -> None:
    status = {row["video_id"]: row for row in run.rows("SELECT video_id, status, reason, clip_count FROM videos")}
    assert status.keys() == {run.video_id(name) for name in run.files}
    assert {row["status"] for row in status.values()} == {"done"}, status
    assert run.exit_code == 0
    assert "Traceback" not in run.log


def test_every_clip_has_its_row_its_scores_and_its_verdict(run: Run) -> None:
    counted = run.rows(
        "SELECT video_id, any_value(videos.clip_count) AS promised, count(clips.clip_id) AS clips, "
        "count(DISTINCT clips.clip_id) AS different FROM videos LEFT JOIN clips USING (video_id) GROUP BY video_id"
    )
    assert all(row["promised"] == row["clips"] == row["different"] > 0 for row in counted), counted
    clips = run.rows("SELECT clip_id, accepted, map_keys(scores) AS scores, verdicts FROM clips")
    for clip in clips:
        assert {"motion", "shot_purity", "sharpness", "luminance", "duration"} <= set(clip["scores"])
        assert [verdict["filter"] for verdict in clip["verdicts"]] == ["motion"]
        assert clip["accepted"] == clip["verdicts"][0]["keep"]
    assert {clip["accepted"] for clip in clips} == {True, False}, "the slides stand still"


def test_the_nasa_narrator_says_what_the_subtitles_say_when_they_say_it(run: Run, shared_media: Path) -> None:
    """The last cue ends after the media: only words that are over by then can be in."""
    lines = read_srt((shared_media / "subtitles" / "nasa_13013.en.srt").read_text("utf-8"), dropped="NAR:")
    clips = run.clips("nasa_13013.mp4")
    said = agreeing((word for clip in clips for word in clip["words"]), lines)
    first_three = [word for line in lines[:3] for word in line.words]
    assert said[: len(first_three)] == first_three
    assert len(said) <= len(first_three) + 2
    assert run.transcript_source("nasa_13013.mp4") == "manual_subtitles"
    assert " ".join(clip["text"] for clip in clips) == " ".join(said)
    assert {clip["language"] for clip in clips} == {"en"}


def test_sintel_with_its_subtitles_says_its_lines_in_time(run: Run) -> None:
    clips = run.clips("sintel_with_subtitles.mp4")
    lines = read_srt(SINTEL_SRT)
    said = agreeing((word for clip in clips for word in clip["words"]), lines)
    assert run.transcript_source("sintel_with_subtitles.mp4") == "manual_subtitles"
    assert len(said) >= 0.5 * sum(len(line.words) for line in lines), "cuts in mid-sentence cost words, not most"
    assert all(clip["text"] for clip in clips), "where somebody speaks, clips are what is said"


def test_without_subtitles_it_is_what_the_recogniser_heard(run: Run) -> None:
    """The trailer as it lies there has none. The tiny model hears the same sentence in everything."""
    assert run.transcript_source("sintel_trailer_480p_en.mp4") == "asr"
    words = [word for clip in run.clips("sintel_trailer_480p_en.mp4") for word in clip["words"]]
    assert {word["text"] for word in words} <= set(SAYS.split())
    assert all(0 <= word["start_s"] <= word["end_s"] <= 52.3 for word in words)


@pytest.mark.parametrize("name", ["intel_bottle.mp4", "dog_eating_854132.mp4", "sintel_trailer_from5s_10s_silent.mp4"])
def test_without_sound_there_are_clips_without_words(run: Run, name: str) -> None:
    assert run.transcript_source(name) == "none"
    clips = run.clips(name)
    assert clips
    assert {clip["text"] for clip in clips} == {""}


@pytest.mark.parametrize("name", ["sintel_with_subtitles.mp4", "sintel_trailer_480p_en.mp4", "laion400m_talk.mp4"])
def test_clips_keep_inside_shots(run: Run, name: str) -> None:
    """Judged by ffmpeg's own measure of hard cuts, which slides are too much alike for."""
    cuts_s = SLIDES_S if name == "laion400m_talk.mp4" else _hard_cuts_s(run.files[name])
    assert cuts_s, "else this says nothing"
    for clip in run.clips(name):
        inside = [cut_s for cut_s in cuts_s if clip["start_s"] + 0.1 < cut_s < clip["end_s"] - 0.1]
        assert not inside, (clip["clip_id"], inside)


def _hard_cuts_s(path: Path) -> list[float]:
    scene = "scale=320:-2,select='gt(scene,0.5)',metadata=print:file=-"
    line = ["ffmpeg", "-v", "error", "-i", str(path), "-an", "-vf", scene, "-f", "null", "-"]
    told = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    return [float(found) for found in re.findall(r"pts_time:([\d.]+)", told)]


def test_clips_are_inside_the_video_and_cut_as_asked(run: Run) -> None:
    for row in run.rows("SELECT clips.*, decoded_s, fps FROM clips JOIN videos USING (video_id)"):
        cut = row["cut"]
        assert 0 <= row["start_s"] < row["end_s"] <= row["decoded_s"] + 0.05
        assert 2.0 <= row["duration_s"] <= 20.0 + 1e-6
        assert abs(cut["got_start_s"] - row["start_s"]) <= 1.5 / row["fps"], row["clip_id"]
        assert abs(cut["got_end_s"] - row["end_s"]) <= 1.5 / row["fps"], row["clip_id"]
        assert all(row["start_s"] <= word["start_s"] <= word["end_s"] <= row["end_s"] for word in row["words"])


def test_every_record_on_every_topic_is_as_its_contract_says(run: Run) -> None:
    for name, records in run.records.items():
        for key, value in records:
            check_record(name, value)
            assert key is not None or name == "videos", f"{name}: only what kcat published has no key"
    counts = {name: len(records) for name, records in run.records.items()}
    assert counts["videos"] == counts["videos.downloaded"] == counts["videos.done"] == len(run.files)
    ((made),) = run.rows("SELECT count(*) AS clips, count(*) FILTER (accepted) AS accepted FROM clips")
    assert counts["clips.segmented"] == made["clips"]
    assert counts["clips.embedded"] == made["accepted"]
    assert counts["clips.rejected"] == made["clips"] - made["accepted"]
    assert counts["dead-letters"] == 0


def test_a_plain_duckdb_process_saw_it_grow(run: Run) -> None:
    assert len(run.seen) > 2
    for column in range(4):
        values = [row[column] for row in run.seen]
        assert values == sorted(values), "what was in stays in"
    assert run.seen[0][0] < run.seen[-1][0] == len(run.files)
    assert run.seen[0][3] < run.seen[-1][3], "the offsets are in the same snapshot"


def _sealed(run: Run, layout: str) -> list[str]:
    sql = f"SELECT shard_path FROM shards WHERE state = 'sealed' AND layout = '{layout}' ORDER BY shard_path"
    return [str(run.settings.dataset_dir / row["shard_path"]) for row in run.rows(sql)]


def _texts(run: Run) -> dict[str, str]:
    """Clip -> the text that a trainer has to find: what is said, else the caption that fits best."""
    best = "arg_max(captions.text, (coalesce(match, -2), -caption_index))"
    sql = f"SELECT clip_id, any_value(clips.text) AS said, {best} AS best FROM clips LEFT JOIN captions USING (clip_id)"
    return {row["clip_id"]: row["said"] or row["best"] or "" for row in run.rows(f"{sql} GROUP BY clip_id")}


def _check_mp4(content: bytes, facts: dict[str, Any]) -> None:
    with av.open(io.BytesIO(content), "r") as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "h264"
        assert {stream.codec_context.name for stream in container.streams.audio} <= {"aac"}
    assert abs(float(frames[-1].time or 0) - (facts["end_s"] - facts["start_s"])) < 0.2, "but for the last frame"


def test_sealed_shards_load_in_webdataset(run: Run) -> None:
    import webdataset

    shards, texts = _sealed(run, "video-text"), _texts(run)
    assert len(shards) >= 2
    pipeline = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
    samples = list(pipeline.decode().to_tuple("__key__", "mp4", "txt", "json"))
    assert len(samples) == SHARD_SAMPLES * len(shards)
    for key, mp4, text, facts in samples:
        assert facts["clip_id"] == key
        assert text == texts[key]
        _check_mp4(mp4, facts)


def test_sealed_shards_load_in_hugging_face_datasets(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    shards, texts = _sealed(run, "video-text"), _texts(run)
    loaded = datasets.load_dataset(
        "webdataset", data_files={"train": shards}, split="train", cache_dir=str(tmp_path / "cache")
    ).cast_column("mp4", datasets.Video(decode=False))
    assert loaded.num_rows == SHARD_SAMPLES * len(shards)
    for row in loaded:
        assert row["txt"] == texts[row["__key__"]]
        _check_mp4(row["mp4"]["bytes"], row["json"])


def test_the_samples_table_says_where_each_accepted_clip_lies(run: Run) -> None:
    wrong = run.rows(
        "SELECT clip_id, accepted, count(samples.layout) AS layouts FROM clips LEFT JOIN samples USING (clip_id) "
        "GROUP BY ALL HAVING layouts <> (CASE WHEN accepted THEN 2 ELSE 0 END)"
    )
    assert wrong == []
    assert not [row for row in run.rows(ENDED) if row["status"] != "done"]
