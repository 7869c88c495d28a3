"""Cuts and shots: PySceneDetect's scores, and what real videos show."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenedetect.common import FrameTimecode
from scenedetect.detectors import ContentDetector

from vta_stream.domain.clip import Span
from vta_stream.media.candidates import FrameSpool
from vta_stream.media.decode import DecodePass, decode_pass
from vta_stream.media.shots import CutDetector, shots_between
from vta_stream.settings.work import SegmentSettings


def decoded(path: Path, tmp_path: Path) -> DecodePass:
    with FrameSpool(tmp_path / "spool", 5.0) as spool:
        return decode_pass(path, spool, SegmentSettings())


def cuts_s(found: DecodePass) -> list[float]:
    return [float(found.timeline.times_s[number]) for number in found.cuts]


def test_the_score_is_pyscenedetects() -> None:
    random = np.random.default_rng(3)
    pictures = random.integers(0, 256, (6, 144, 256, 3), dtype=np.uint8)
    pictures[3] = pictures[2]
    theirs, ours = ContentDetector(), CutDetector(27.0)
    for number, picture in enumerate(pictures):
        score = theirs._calculate_frame_score(FrameTimecode(number, 25.0), picture)
        assert ours._measure(picture)[0] == pytest.approx(score)


@pytest.mark.slow
def test_every_slide_change_of_a_real_talk(tmp_path: Path, shared_media: Path) -> None:
    found = decoded(shared_media / "video/laion400m_talk.mp4", tmp_path)
    assert cuts_s(found) == pytest.approx([7.10, 50.77, 69.87, 89.93, 92.83, 100.50, 113.70], abs=0.02)
    assert found.motion(Span(10, 40)) < 1.0
    assert found.frame_count == 3678


def test_cuts_of_a_trailer_but_not_its_fades(tmp_path: Path, shared_media: Path) -> None:
    found = decoded(shared_media / "video/sintel_trailer_480p_en.mp4", tmp_path)
    hard = [13.92, 16.50, 17.50, 23.79, 25.88, 27.42]
    for cut_s in hard:
        assert min(abs(cut_s - other) for other in cuts_s(found)) < 0.03
    # Fades through black, where the hue alone takes ContentDetector over its threshold.
    for fade_s in (18.17, 21.92, 28.29):
        assert min(abs(fade_s - other) for other in cuts_s(found)) > 0.2
    assert found.motion(Span(0, 52)) > 30


def test_three_cuts_of_a_cartoon(tmp_path: Path, shared_media: Path) -> None:
    found = decoded(shared_media / "video/big_buck_bunny_0_30.webm", tmp_path)
    assert cuts_s(found) == pytest.approx([11.79, 15.67, 22.96], abs=0.02)
    assert [shot.start_s for shot in found.shots] == pytest.approx([0, 11.79, 15.67, 22.96], abs=0.02)
    assert found.shots[-1].end_s == found.duration_s == pytest.approx(30.0, abs=0.01)


@pytest.mark.parametrize("name", ["dog_eating_854132.mp4", "intel_asl_book.mkv", "autoeditor_example.mp4"])
def test_one_shot_is_one_shot(tmp_path: Path, shared_media: Path, name: str) -> None:
    found = decoded(shared_media / "video" / name, tmp_path)
    assert found.cuts == ()
    assert found.shots == (Span(0, found.duration_s),)
    assert found.purity(Span(0.5, 2.5)) == 1.0


def _colours(*levels: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [np.full((72, 128, 3), level, dtype=np.uint8) for level in levels]


def test_a_flash_is_two_cuts() -> None:
    detector = CutDetector(27.0)
    for picture in _colours(*[60] * 10, 250, *[60] * 10):
        detector.feed(picture)
    assert detector.cuts() == [10, 11]
    assert detector.luma_changes[0] == 0
    assert detector.luma_changes[10] == pytest.approx(190)


def test_short_shots_are_joined() -> None:
    assert shots_between([4.0, 4.2, 4.4, 9.9], 10.0, 0.5) == (Span(0, 4.0), Span(4.0, 10.0))
    assert shots_between([], 3.0, 0.5) == (Span(0, 3.0),)
    assert shots_between([0.1], 0.3, 0.5) == (Span(0, 0.3),)
    assert shots_between([0.2, 2.0], 4.0, 0.5) == (Span(0, 2.0), Span(2.0, 4.0))


@given(
    cuts=st.lists(st.floats(0.001, 99.9), unique=True, max_size=40).map(sorted),
    min_shot_s=st.floats(0, 5),
)
def test_shots_tile_the_video(cuts: list[float], min_shot_s: float) -> None:
    shots = shots_between(cuts, 100.0, min_shot_s)
    assert shots[0].start_s == 0
    assert shots[-1].end_s == 100.0
    assert all(one.end_s == two.start_s for one, two in pairwise(shots))
    assert all(shot.duration_s >= min_shot_s - 1e-9 for shot in shots)
