"""Cuts: exact to the frame and to the sample, the same bytes each time, and believed only when read back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.synthetic import (
    HEIGHT,
    MS,
    WIDTH,
    beeps,
    counting,
    number_of,
    numbered,
    onset_s,
    read_sound,
    read_video,
    write_video,
)
from vta_stream.domain.clip import Cut, Span
from vta_stream.media.candidates import FrameSpool
from vta_stream.media.clock import Timeline
from vta_stream.media.cut import cut
from vta_stream.media.decode import decode_pass
from vta_stream.media.plan import plan_cut
from vta_stream.media.verify import CutError, verify
from vta_stream.settings.work import SegmentSettings

SETTINGS = SegmentSettings()


def timeline_of(path: Path, tmp_path: Path) -> Timeline:
    with FrameSpool(tmp_path / "spool", 1.0) as spool:
        return decode_pass(path, spool, SETTINGS).timeline


def cut_out(path: Path, tmp_path: Path, start_s: float, end_s: float, name: str = "clip.mp4") -> tuple[Cut, Path]:
    target = tmp_path / name
    return cut(path, timeline_of(path, tmp_path), Span(start_s, end_s), target, SETTINGS), target


def numbers(path: Path) -> list[int]:
    return [number_of(picture) for picture in read_video(path)[1]]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)], ids=str)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_borders_are_exact_to_the_frame(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    source = counting(tmp_path / f"in{suffix}", 200, rate)
    for first, end in ((0, 41), (40, 97), (133, 200)):
        got, clip = cut_out(source, tmp_path, float(first / rate), float(end / rate))
        assert numbers(clip) == list(range(first, end))
        assert got.frame_count == end - first
        assert got.first_pts_s == 0.0
        assert got.got.start_s == pytest.approx(float(first / rate), abs=0.001)
        assert got.got.duration_s == pytest.approx(float((end - first) / rate), abs=0.001)


def test_borders_between_frames_take_the_frame_on_screen(tmp_path: Path) -> None:
    source = counting(tmp_path / "in.mp4", 100, Fraction(25))
    got, clip = cut_out(source, tmp_path, 1.03, 2.05)
    assert numbers(clip) == list(range(25, 52))
    assert got.asked == Span(1.03, 2.05)
    assert got.got.start_s == pytest.approx(1.0)
    assert got.got.end_s == pytest.approx(2.08)


@pytest.mark.parametrize("gop", [1, 12, 250])
def test_any_key_frame_distance_and_b_frames(tmp_path: Path, gop: int) -> None:
    source = counting(tmp_path / "in.mp4", 150, Fraction(30), gop=gop, options={"bf": "3"})
    _, clip = cut_out(source, tmp_path, 61 / 30, 119 / 30)
    assert numbers(clip) == list(range(61, 119))


def test_transport_streams_start_late_and_seek_badly(tmp_path: Path) -> None:
    source = counting(tmp_path / "in.ts", 150, Fraction(25), gop=50)
    timeline = timeline_of(source, tmp_path)
    assert timeline.origin > 0
    assert timeline.times_s[0] == 0
    _, clip = cut_out(source, tmp_path, 70 / 25, 120 / 25)
    assert numbers(clip) == list(range(70, 120))


def test_flash_and_beep_stay_together(tmp_path: Path) -> None:
    flashes = {50, 110}
    pictures = [numbered(4095 if number in flashes else 0) for number in range(150)]
    sound = beeps([number / 25 for number in flashes], 6.0)
    source = write_video(tmp_path / "in.mp4", pictures, [Fraction(n, 25) for n in range(150)], sound=sound)
    got, clip = cut_out(source, tmp_path, 1.5, 5.0)
    times_s, shown = read_video(clip)
    begin_s, heard = read_sound(clip)
    flash_s = [time_s for time_s, picture in zip(times_s, shown, strict=True) if number_of(picture) == 4095]
    assert flash_s == pytest.approx([50 / 25 - got.got.start_s, 110 / 25 - got.got.start_s])
    for at_s in flash_s:
        assert begin_s + onset_s(heard, 48_000, at_s - 0.3) == pytest.approx(at_s, abs=0.003)
    assert got.audio_offset_s == pytest.approx(0, abs=1e-6)
    assert heard.shape[0] == 2
    assert np.abs(heard[0] - heard[1]).max() < 0.05  # mono is on both sides


@pytest.mark.parametrize(("suffix", "rate_hz"), [(".webm", 48_000), (".mkv", 44_100), (".mp4", 22_050)])
def test_sound_is_exact_in_every_container(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    codec = "libvpx" if suffix == ".webm" else "libx264"
    source = counting(
        tmp_path / f"in{suffix}", 120, Fraction(30), codec=codec, sound=beeps([1.5, 3.2], 4.0, rate_hz), rate_hz=rate_hz
    )
    got, clip = cut_out(source, tmp_path, 1.0, 3.7)
    _, heard = read_sound(clip)
    _, original = read_sound(source)
    for beep_s in (1.5, 3.2):
        found_s = onset_s(heard, 48_000, beep_s - 0.3 - got.got.start_s)
        true_s = onset_s(original, rate_hz, beep_s - 0.3)
        assert found_s + got.got.start_s == pytest.approx(true_s, abs=0.002)


def test_late_and_short_sound_is_filled_with_silence(tmp_path: Path) -> None:
    source = counting(tmp_path / "in.mp4", 100, Fraction(25), sound=beeps([0.5], 1.0))
    got, clip = cut_out(source, tmp_path, 0.2, 3.8)
    _, heard = read_sound(clip)
    assert heard.shape[1] / 48_000 == pytest.approx(got.got.duration_s, abs=0.03)
    assert np.abs(heard[:, 60_000:]).max() < 0.01
    _, silent = cut_out(source, tmp_path, 2.0, 3.0, "silent.mp4")
    assert np.abs(read_sound(silent)[1]).max() < 0.01


def test_without_sound_there_is_no_sound(tmp_path: Path) -> None:
    got, clip = cut_out(counting(tmp_path / "in.mp4", 60, Fraction(30)), tmp_path, 0.5, 1.5)
    assert got.audio_offset_s is None
    with av.open(str(clip)) as container:
        assert not container.streams.audio


def test_variable_rate_becomes_constant_and_keeps_its_times(tmp_path: Path) -> None:
    # 30 fps, then one picture stands for two seconds, then 30 fps again.
    times = [Fraction(n, 30) for n in range(60)] + [4 + Fraction(n, 30) for n in range(60)]
    source = write_video(tmp_path / "in.mkv", [numbered(n) for n in range(120)], times, time_base=MS)
    got, clip = cut_out(source, tmp_path, 1.5, 5.0)
    times_s, shown = read_video(clip)
    assert np.diff(times_s) == pytest.approx(1 / 30, abs=1e-4)
    for time_s, picture in zip(times_s, shown, strict=True):
        due = max(n for n in range(120) if times[n] <= got.got.start_s + time_s + 0.5 / 30)
        assert number_of(picture) == due
    assert got.frame_count == 105


def test_a_clip_inside_a_standing_picture(tmp_path: Path) -> None:
    times = [Fraction(n, 30) for n in range(30)] + [Fraction(10)]
    source = write_video(tmp_path / "in.mkv", [numbered(n) for n in range(31)], times, time_base=MS)
    got, clip = cut_out(source, tmp_path, 4.0, 6.0)
    assert got.got == Span(4.0, 6.0)
    assert set(numbers(clip)) == {29}


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_pictures_are_turned_upright(tmp_path: Path, rotation_deg: int) -> None:
    upright = np.zeros((HEIGHT * 2, WIDTH, 3), dtype=np.uint8)
    upright[: HEIGHT // 2, : WIDTH // 2] = 255  # a white corner at the top left
    stored = np.rot90(upright, rotation_deg // 90)
    source = write_video(
        tmp_path / "in.mp4", [stored] * 30, [Fraction(n, 30) for n in range(30)], rotation_deg=rotation_deg
    )
    _, clip = cut_out(source, tmp_path, 0.2, 0.8)
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 0
        shown = frame.to_ndarray(format="rgb24")
    assert shown.shape == upright.shape
    assert shown[8, 8].mean() > 200
    assert shown[8, -8].mean() < 50
    assert shown[-8, 8].mean() < 50


def test_real_phone_clips_are_turned(tmp_path: Path, shared_media: Path) -> None:
    _, clip = cut_out(shared_media / "hostile/rotate_90.mov", tmp_path, 0, 0.1)
    assert read_video(clip)[1][0].shape == (568, 320, 3)


def test_ten_bit_and_pixel_shape(tmp_path: Path, shared_media: Path) -> None:
    _, clip = cut_out(shared_media / "hostile/tc_h265_10bits.mp4", tmp_path, 0, 1)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert container.streams.video[0].codec_context.name == "h264"
    _, wide = cut_out(shared_media / "hostile/mp4parse/h264_white_frame_sar_16_9.mp4", tmp_path, 0, 0.04, "wide.mp4")
    with av.open(str(wide)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (1138, 480)
        assert container.streams.video[0].sample_aspect_ratio in (None, 1)


@pytest.mark.parametrize(
    "name", ["video/nasa_13013.mp4", "hostile/tc_h265_10bits.mp4", "video/intel_asl_book.mkv", "hostile/ae_testsrc.mp4"]
)
def test_same_input_makes_same_bytes(tmp_path: Path, shared_media: Path, name: str) -> None:
    made = [cut_out(shared_media / name, tmp_path, 0.1, 0.9, f"{turn}.mp4")[1].read_bytes() for turn in range(3)]
    assert made[0] == made[1] == made[2]


def test_the_index_comes_first(tmp_path: Path) -> None:
    _, clip = cut_out(counting(tmp_path / "in.mp4", 60, Fraction(30)), tmp_path, 0, 1)
    content = clip.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_what_is_not_as_planned_is_an_error(tmp_path: Path) -> None:
    source = counting(tmp_path / "in.mp4", 60, Fraction(30), sound=beeps([0.5], 2.0))
    timeline = timeline_of(source, tmp_path)
    _, clip = cut_out(source, tmp_path, 0.5, 1.5)

    def reason(plan_of: Span, path: Path = clip, *, has_sound: bool = True) -> str:
        with pytest.raises(CutError) as error:
            verify(path, plan_cut(timeline, plan_of), timeline.interval_s, has_sound=has_sound)
        return error.value.reason

    verify(clip, plan_cut(timeline, Span(0.5, 1.5)), timeline.interval_s, has_sound=True)
    assert reason(Span(0.5, 1.6)) == "frame_count"
    assert reason(Span(0.5, 1.5), has_sound=False) == "sound_lost"
    (tmp_path / "cut_off.mp4").write_bytes(clip.read_bytes()[:-3000])
    assert reason(Span(0.5, 1.5), tmp_path / "cut_off.mp4") in ("unreadable", "frame_count")
    (tmp_path / "empty.mp4").touch()
    assert reason(Span(0.5, 1.5), tmp_path / "empty.mp4") == "unreadable"


def test_a_span_beyond_the_end_is_not_as_asked(tmp_path: Path) -> None:
    source = counting(tmp_path / "in.mp4", 60, Fraction(30))
    with pytest.raises(CutError) as error:
        cut_out(source, tmp_path, 1.0, 3.0)
    assert error.value.reason == "borders"


def test_frames_that_do_not_come_again_are_an_error(tmp_path: Path) -> None:
    source = counting(tmp_path / "in.mp4", 60, Fraction(30))
    longer = timeline_of(counting(tmp_path / "longer.mp4", 90, Fraction(30)), tmp_path)
    with pytest.raises(CutError) as error:
        cut(source, longer, Span(1.0, 2.5), tmp_path / "clip.mp4", SETTINGS)
    assert error.value.reason == "frames_missing"
