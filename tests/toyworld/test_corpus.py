"""The corpus that travels in the package is what the command builds, and is served as its truth says."""

from __future__ import annotations

import multiprocessing
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.toyworld.evaluation.truths import corpus, video
from vta_stream.settings import Settings
from vta_stream.toyworld.corpus import SHIPPED, demo_settings, served_urls
from vta_stream.toyworld.server import ToyServer
from vta_stream.toyworld.world.defect import NOT_SERVED, Defect
from vta_stream.toyworld.world.plan import truth_of
from vta_stream.toyworld.world.planning import Order, draw_plan, orders
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.truth import CorpusTruth, VideoTruth, read_truth

BYTES_MAX = 10_000_000
DECIDED_BY_THE_FILE = NOT_SERVED | {Defect.NEAR_DUPLICATE, Defect.DAMAGED}
"""Their truth is more than their plan."""


@pytest.fixture(scope="module")
def shipped() -> CorpusTruth:
    return read_truth(SHIPPED)


def ordered(truth: CorpusTruth) -> tuple[Order, ...]:
    return orders(Realm.DEMO, truth.seed, len(truth.videos), truth.longest_s)


def planned(order: Order) -> VideoTruth:
    return truth_of(draw_plan(order))


def test_the_shipped_corpus_has_every_class_and_is_small(shipped: CorpusTruth) -> None:
    assert [(one.name, one.defect) for one in shipped.videos] == [(one.name, one.defect) for one in ordered(shipped)]
    assert {one.defect for one in shipped.videos} == set(Defect)
    named = {one.name for one in shipped.videos if one.defect not in NOT_SERVED}
    named |= {one.subtitles for one in shipped.videos if one.subtitles}
    there = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert there.keys() == named | {"truth.json"}
    assert sum(there.values()) <= BYTES_MAX


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shipped_truth_follows_from_the_seed(shipped: CorpusTruth, espeak: None) -> None:
    """Every third, each in a process that has not spoken yet, as `toyworld build` does it."""
    plain = [one for one in ordered(shipped) if one.defect not in DECIDED_BY_THE_FILE][::3]
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        made = pool.map(planned, plain, chunksize=1)
    assert len(made) >= 9
    for truth in made:
        assert truth == shipped.video(truth.name)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ToyServer]:
    for name in ("a.mp4", "a.en.vtt"):
        (tmp_path / name).write_bytes(bytes(300_000))
    with ToyServer(tmp_path) as server:
        yield server


def answers(url: str) -> list[int | str]:
    """What three requests for a file get: its size, an HTTP status, or `cut`."""
    found: list[int | str] = []
    for _ in range(3):
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                promised = int(response.headers["Content-Length"])
                size = len(response.read())
            found.append(size if size == promised else "cut")
        except urllib.error.HTTPError as error:
            found.append(error.code)
        except (OSError, HTTPException):
            found.append("cut")
    return found


@pytest.mark.parametrize("subtitles", [None, "a.en.vtt"])
@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        (Defect.NONE, [300_000, 300_000, 300_000]),
        (Defect.REMOVED, [410, 410, 410]),
        (Defect.FORBIDDEN, [403, 403, 403]),
        (Defect.RATE_LIMITED, [429, 300_000, 300_000]),
        (Defect.CUT_OFF, ["cut", 300_000, 300_000]),
    ],
)
def test_a_video_is_served_as_its_truth_says(
    served: ToyServer, defect: Defect, expected: list[int | str], subtitles: str | None
) -> None:
    truth = corpus(replace(video(defect=defect), subtitles=subtitles))
    ((url, name),) = served_urls(truth, served.url("").rstrip("/")).items()
    assert name == "a.mp4"
    if subtitles:
        query = parse_qs(urlsplit(url).query)
        assert query["subtitles"] == ["a.en.vtt"]
        with urllib.request.urlopen(url, timeout=10) as page:
            assert f'<source src="/{query["source"][0].replace("&", "&amp;")}"' in page.read().decode()
        url = served.url(query["source"][0])
    elif defect is Defect.CUT_OFF:
        expected = ["cut", "cut", 300_000]
    assert answers(url) == expected


def test_the_settings_of_the_demo_change_no_filter(tmp_path: Path) -> None:
    made = Settings(**demo_settings(tmp_path))
    assert made.filters == Settings().filters
    assert made.transcribe.model
