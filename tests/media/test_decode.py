"""The decode pass: times, rates, sampled frames, damage, and what it believes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.synthetic import MS, WIDTH, counting, number_of, numbered, write_video
from vta_stream.domain.clip import Span
from vta_stream.media import candidates, clock
from vta_stream.media.candidates import FrameSpool
from vta_stream.media.clock import Timeline
from vta_stream.media.decode import DecodePass, decode_pass
from vta_stream.media.frames import read_frames, write_frames
from vta_stream.ports import TerminalError
from vta_stream.settings.work import SegmentSettings

SETTINGS = SegmentSettings()


def decoded(path: Path, tmp_path: Path) -> DecodePass:
    with FrameSpool(tmp_path / "spool", 1.0) as spool:
        return decode_pass(path, spool, SETTINGS)


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60)]
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_constant_rates_are_found_even_from_milliseconds(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    found = decoded(counting(tmp_path / f"in{suffix}", 90, rate), tmp_path)
    assert found.timeline.rate == rate
    assert found.frame_count == 90
    assert found.duration_s == pytest.approx(float(90 / rate), abs=0.001)


def test_variable_rate_by_timestamps(tmp_path: Path) -> None:
    times = [Fraction(n, 30) for n in range(45)] + [5 + Fraction(n, 15) for n in range(20)]
    found = decoded(write_video(tmp_path / "in.mkv", [numbered(n) for n in range(65)], times, time_base=MS), tmp_path)
    assert found.timeline.times_s == pytest.approx([float(time) for time in times], abs=0.001)
    assert found.timeline.rate == 30
    assert found.duration_s == pytest.approx(float(times[-1]) + 1 / 30, abs=0.002)


def test_the_clock_begins_at_the_first_frame(tmp_path: Path) -> None:
    found = decoded(counting(tmp_path / "in.ts", 50, Fraction(25)), tmp_path)
    assert found.timeline.times_s[0] == 0
    assert found.duration_s == pytest.approx(2.0, abs=0.001)


def test_timestamps_that_go_back_are_left_out(tmp_path: Path, shared_media: Path) -> None:
    found = decoded(shared_media / "hostile/mp4parse/no_timescale.mp4", tmp_path)
    assert found.damage.unordered > 0
    assert (np.diff(found.timeline.times_s) > 0).all()
    unordered = decoded(shared_media / "hostile/decord_unordered_pts.mov", tmp_path)
    assert (np.diff(unordered.timeline.times_s) > 0).all()


def test_damage_is_counted_and_the_rest_is_used(tmp_path: Path, shared_media: Path) -> None:
    found = decoded(shared_media / "hostile/decord_corrupted_nal.mp4", tmp_path)
    assert found.damage.packets == 1
    assert found.frame_count == 49
    cut_off = tmp_path / "cut_off.mp4"
    cut_off.write_bytes((shared_media / "video/laion400m_talk.mp4").read_bytes()[:200_000])
    short = decoded(cut_off, tmp_path)
    assert short.frame_count > 10
    assert short.duration_s < 30  # the header says 122


def test_a_header_without_pictures(tmp_path: Path, shared_media: Path) -> None:
    with pytest.raises(TerminalError) as error:
        decoded(shared_media / "hostile/mp4parse/invalid_userdata.mp4", tmp_path)
    assert error.value.reason == "no_frames"


def test_absurd_times_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = counting(tmp_path / "in.mp4", 60, Fraction(30))
    monkeypatch.setattr("vta_stream.media.decode.TIME_MAX_S", 1.0)
    with pytest.raises(TerminalError) as error:
        decoded(source, tmp_path)
    assert error.value.reason == "damaged"
    assert clock.TIME_MAX_S < 1_000_000  # where clip IDs end


def test_motion_does_not_depend_on_the_rate(tmp_path: Path) -> None:
    def moving(rate: int) -> float:
        pictures = []
        for number in range(2 * rate):
            picture = np.zeros((64, 256, 3), dtype=np.uint8)
            picture[:, round(number * 100 / rate) :] = 200
            pictures.append(picture)
        path = tmp_path / f"{rate}.mp4"
        return decoded(write_video(path, pictures, [Fraction(n, rate) for n in range(2 * rate)]), tmp_path).motion(
            Span(0, 2)
        )

    slow, fast = moving(25), moving(50)
    assert slow == pytest.approx(200 * 100 / 256, rel=0.15)
    assert fast == pytest.approx(slow, rel=0.1)


def test_motion_leaves_cuts_out_and_purity_counts_them(tmp_path: Path) -> None:
    dark, light = np.full((64, 128, 3), 30, dtype=np.uint8), np.full((64, 128, 3), 220, dtype=np.uint8)
    pictures = [dark] * 50 + [light] * 5 + [dark] * 45
    found = decoded(write_video(tmp_path / "in.mp4", pictures, [Fraction(n, 25) for n in range(100)]), tmp_path)
    assert found.cuts == (50, 55)
    assert found.shots == (Span(0, 2.0), Span(2.0, 4.0))  # the flash is too short to be a shot
    assert found.motion(Span(0, 4)) < 2
    assert found.purity(Span(2.0, 4.0)) == pytest.approx(0.9)
    assert found.purity(Span(0.0, 4.0)) == pytest.approx(0.5)
    assert found.purity(Span(0.0, 2.0)) == 1.0


@pytest.mark.parametrize("count", [1, 3, 8, 50])
def test_sampled_frames_are_spread_over_the_segment(tmp_path: Path, count: int) -> None:
    source = counting(tmp_path / "in.mp4", 200, Fraction(25))
    span = Span(2.0, 5.0)
    with FrameSpool(tmp_path / "spool", 0.25) as spool:
        decode_pass(source, spool, SETTINGS)
        times_s, jpegs = spool.pick(span, count)
    write_frames(tmp_path / "frames.npz", times_s, jpegs)
    _, images = read_frames(tmp_path / "frames.npz")
    assert len(times_s) == min(count, 12)  # four a second
    assert all(span.start_s <= time_s < span.end_s for time_s in times_s)
    assert [number_of(image) for image in images] == [round(time_s * 25) for time_s in times_s]
    if count >= 3:
        assert times_s[0] - span.start_s < 0.3
        assert span.end_s - times_s[-1] < 0.3
        gaps = np.diff(times_s)
        assert gaps.max() - gaps.min() < 0.3


def test_sampled_frames_of_a_standing_picture(tmp_path: Path) -> None:
    times = [Fraction(n, 30) for n in range(30)] + [Fraction(10)]
    source = write_video(tmp_path / "in.mkv", [numbered(n) for n in range(31)], times, time_base=MS)
    with FrameSpool(tmp_path / "spool", 0.01) as spool:
        decode_pass(source, spool, SETTINGS)
        times_s, jpegs = spool.pick(Span(4, 6), 8)
    write_frames(tmp_path / "frames.npz", times_s, jpegs)
    assert times_s == [4.0]
    assert number_of(read_frames(tmp_path / "frames.npz")[1][0]) == 29


def test_sampled_frames_are_upright_and_small(tmp_path: Path, shared_media: Path) -> None:
    for name, shape in (("rotate_90.mov", (454, 256, 3)), ("mp4parse/h264_white_frame_sar_16_9.mp4", (256, 607, 3))):
        with FrameSpool(tmp_path / "spool", 1.0) as spool:
            decode_pass(shared_media / "hostile" / name, spool, SETTINGS)
            write_frames(tmp_path / "frames.npz", *spool.pick(Span(0, 0.04), 1))
        assert read_frames(tmp_path / "frames.npz")[1][0].shape == shape


def test_small_pictures_are_not_enlarged(tmp_path: Path) -> None:
    with FrameSpool(tmp_path / "spool", 1.0) as spool:
        decode_pass(counting(tmp_path / "in.mp4", 10, Fraction(25)), spool, SETTINGS)
        write_frames(tmp_path / "frames.npz", *spool.pick(Span(0, 1), 1))
    assert read_frames(tmp_path / "frames.npz")[1][0].shape[1] == WIDTH


def test_the_spool_is_bounded_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "SPOOL_COUNT", 10)
    with FrameSpool(tmp_path / "spool", 0.1) as spool:
        kept = 0
        for tick in range(20_000):
            if spool.wants(tick / 10):
                spool.add(tick / 10, b"x")
                kept += 1
        assert kept < 120
    assert list(tmp_path.iterdir()) == []


@given(
    times=st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=60).map(sorted),
    count=st.integers(1, 20),
)
def test_spread_is_distinct_ordered_and_touches_both_ends(times: list[int], count: int) -> None:
    chosen = candidates._spread([time / 100 for time in times], count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, len(times))
    assert chosen[0] == 0
    if count > 1:
        assert chosen[-1] == len(times) - 1


@given(st.sampled_from(clock.NICE_RATES), st.integers(20, 400))
def test_rounded_times_give_the_true_rate(rate: Fraction, count: int) -> None:
    times_s = np.round([float(n / rate) for n in range(count)], 3)
    assert abs(float(Timeline(Fraction(0), times_s).rate / rate) - 1) < 0.002


def test_three_frames_at_uneven_times_have_a_usual_interval() -> None:
    timeline = Timeline(Fraction(0), np.array([0.0, 0.1, 1.0]))
    assert timeline.interval_s == pytest.approx(0.1)
    assert timeline.end_s == pytest.approx(1.1)
