"""`vta-stream demo`, the first thing that anybody tries: what it says of the small world is what was planted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.wire import everything
from vta_stream.report.dataset import ShownClip, ShownDataset, read_dataset
from vta_stream.settings import load_settings
from vta_stream.stores.reader import open_reader
from vta_stream.toyworld.corpus import SHIPPED
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.truth import CorpusTruth, VideoTruth, read_truth

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Demo:
    """What a demo printed, and what it left behind."""

    figures: dict[str, Any]
    truth: CorpusTruth
    dataset: ShownDataset
    page: str
    log: str
    published: int
    """Records in Kafka's topic of videos."""

    def video(self, defect: Defect) -> VideoTruth:
        return next(one for one in self.truth.videos if one.defect is defect)

    def clips(self, video: VideoTruth) -> list[ShownClip]:
        stem = video.name.removesuffix(".mp4").replace("-", "_")
        return [clip for clip in self.dataset.clips if clip.video_id.startswith(f"{stem}-")]


def run_demo(kafka: str, folder: Path) -> Demo:
    """The whole of the shipped corpus, on a real Kafka instead of the embedded broker."""
    vta_stream = [sys.executable, "-m", "vta_stream"]
    broker = {"BOOTSTRAP_SERVERS": kafka, "TOPIC_PREFIX": f"demo{uuid.uuid4().hex[:12]}"}
    environment = os.environ | {f"VTA_STREAM__KAFKA__{name}": value for name, value in broker.items()}
    subprocess.run([*vta_stream, "topics", "apply"], check=True, timeout=120, env=environment, cwd=folder)
    line = [*vta_stream, "demo", "--json", "--folder", str(folder / "demo")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=1500, env=environment)
    log = folder / "demo/worker.log"
    told = log.read_text() if log.exists() else ""
    assert done.returncode == 0, f"{done.stderr}\n{told}"
    with open_reader(load_settings(folder / "demo/settings.yaml", {})) as lake:
        dataset = read_dataset(lake)
    figures = json.loads(done.stdout)
    records = everything(kafka, broker["TOPIC_PREFIX"], ["videos"])["videos"]
    return Demo(figures, read_truth(SHIPPED), dataset, Path(figures["page"]).read_text(), told, len(records))


@pytest.fixture(scope="module")
def demo(once: Callable[[str, Callable[[Path], Demo]], Demo], kafka: str) -> Demo:
    return once("demo", partial(run_demo, kafka))


def refused_by(clip: ShownClip) -> set[str]:
    return {verdict.filter for verdict in clip.refusals}


def test_it_decides_as_well_as_the_readme_shows(demo: Demo) -> None:
    """With default thresholds; a planted defect that is accepted costs precision, or its class's share."""
    figures = demo.figures
    assert figures["precision"] >= 0.97, figures["judged"]
    assert figures["recall"] >= 0.93, figures["judged"]
    assert figures["border_error_s"]["median"] <= 0.15
    assert {name: found for name, found in figures["detection"].items() if found["share"] < 0.85} == {}
    assert len(figures["detection"]) == 13


def test_its_figures_are_those_of_the_dataset(demo: Demo) -> None:
    figures, accepted = demo.figures, len(demo.dataset.accepted)
    assert figures["unfinished"] == 0
    assert figures["videos"]["published"] == len(demo.truth.videos) == len(demo.dataset.videos) == demo.published
    assert figures["videos"]["done"] == sum(video.status == "done" for video in demo.dataset.videos)
    assert (figures["clips"]["made"], figures["clips"]["accepted"]) == (len(demo.dataset.clips), accepted)
    assert sum(entry["accepted"] for entry in figures["by_defect"].values()) == accepted > 0
    assert 1 <= figures["queried_while_writing"]["accepted"] <= accepted
    for layout in ("video-text", "embeddings"):
        assert sum(shard["samples"] for shard in figures["shards"] if shard["layout"] == layout) == accepted
    uncovered = {"burnt_text", "near_duplicate", "out_of_step"}
    assert figures["not_yet_covered"].keys() == uncovered
    judged = sum(entry["accepted"] for name, entry in figures["by_defect"].items() if name not in uncovered)
    assert figures["judged"]["clips_accepted"] == judged > 50


def test_the_sentences_of_subtitles_are_in_the_clips_word_for_word(demo: Demo) -> None:
    video = next(one for one in demo.truth.videos if one.defect is Defect.NONE and one.subtitles)
    texts = " ".join(clip.text for clip in demo.clips(video))
    assert all(sentence.text in texts for sentence in video.good)
    assert any(clip.accepted for clip in demo.clips(video))


def test_what_was_said_was_heard(demo: Demo) -> None:
    said, heard = 0, 0
    for video in demo.truth.videos:
        if video.defect is Defect.NONE and not video.subtitles:
            texts = " ".join(clip.text for clip in demo.clips(video)).lower()
            said += len(video.good)
            heard += sum(sentence.text.lower().rstrip(".") in texts for sentence in video.good)
    assert said >= 20
    assert heard >= 0.95 * said


@pytest.mark.parametrize(("defect", "by"), [(Defect.STILL, "motion"), (Defect.DARK, "luminance")])
def test_what_is_wrong_with_the_picture_is_the_reason(demo: Demo, defect: Defect, by: str) -> None:
    clips = demo.clips(demo.video(defect))
    assert clips
    assert all(by in refused_by(clip) for clip in clips)
    assert demo.figures["detection"][defect.value]["share"] == 1.0
    assert demo.figures["detection"][defect.value]["as_expected"] == demo.figures["detection"][defect.value]["planted"]


def test_words_about_another_scene_are_refused_for_their_match(demo: Demo) -> None:
    clips = demo.clips(demo.video(Defect.OTHER_SCENE))
    assert any("clip_match" in refused_by(clip) for clip in clips)
    true_ones = demo.clips(next(one for one in demo.truth.videos if one.defect is Defect.NONE and one.subtitles))
    assert mean_match(clips) < mean_match(true_ones)


def mean_match(clips: list[ShownClip]) -> float:
    values = [one.value for clip in clips for one in clip.verdicts if one.filter == "clip_match" and one.value]
    return sum(values) / len(values)


def test_nothing_is_accepted_of_what_has_no_words_or_no_shot(demo: Demo) -> None:
    for defect in (Defect.NO_SPEECH, Defect.TOO_SHORT):
        assert not any(clip.accepted for clip in demo.clips(demo.video(defect)))
        assert demo.figures["detection"][defect.value]["share"] == 1.0


def test_what_the_server_does_is_the_reason_or_is_overcome(demo: Demo) -> None:
    failed = demo.figures["videos"]["failed"]
    assert failed[demo.video(Defect.FORBIDDEN).name] == "forbidden"
    assert failed[demo.video(Defect.REMOVED).name] in ("removed", "not_found")
    assert failed[demo.video(Defect.DAMAGED).name] in ("damaged", "not_media", "no_frames")
    for defect in (Defect.RATE_LIMITED, Defect.CUT_OFF):
        assert demo.video(defect).name not in failed
        assert demo.figures["detection"][defect.value]["share"] == 1.0
    assert "HTTP 429" in demo.log, "it was refused once"


class Page(HTMLParser):
    """The headlines and pictures of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pictures = self.articles = self.wrong = 0
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pictures += tag == "img"
        self.articles += tag == "article"
        self.wrong += tag == "article" and ("class", "wrong") in attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_each_clip_and_every_wrong_decision(demo: Demo) -> None:
    page, judged = Page(demo.page), demo.figures["judged"]
    assert page.articles == page.pictures == demo.figures["clips"]["made"]
    assert page.text.count("should have been rejected") == judged["clips_accepted"] - judged["clips_right"]
    assert page.wrong == page.text.count("should have been")
    assert all(clip.text in page.text for clip in demo.dataset.clips)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    line = [sys.executable, "-m", "vta_stream", "demo", "--folder", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "choose another --folder" in done.stderr
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_folder_without_a_corpus_is_told_how_one_is_made(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "vta_stream", "demo", "--folder", str(tmp_path / "demo"), "--corpus", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "`vta-stream toyworld build FOLDER` makes a corpus" in done.stderr
    assert not (tmp_path / "demo").exists()
