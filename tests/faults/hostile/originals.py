"""Small whole videos, of each container and codec that comes along, to be damaged."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.media.synthetic import MS, beeps, numbered, write_video

RATE = 10
PICTURES = 12


def make_originals(folder: Path) -> dict[str, bytes]:
    """Name -> content, in a fixed order; 1.2 seconds of picture and sound each."""
    pictures = [numbered(5 * number) for number in range(PICTURES)]
    times = [Fraction(number, RATE) for number in range(PICTURES)]
    sound = beeps([0.2], PICTURES / RATE)
    made = (
        write_video(folder / "h264.mp4", pictures, times, sound=sound, gop=4),
        write_video(folder / "mpeg4.mov", pictures, times, sound=sound, codec="mpeg4", gop=4, time_base=MS),
        write_video(folder / "h264.mkv", pictures, times, sound=sound, gop=4),
        write_video(folder / "vp8.webm", pictures, times, sound=sound, codec="libvpx", gop=4, rate_hz=48_000),
    )
    return {path.name: path.read_bytes() for path in made}
