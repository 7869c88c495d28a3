"""`python -m tests.bench.decode [FILE…]`: our decode pass against bare `ffmpeg -f null`, and its memory.

Each round runs both, one after the other, in processes of their own; the printed ratio is the median over the
rounds of wall time to wall time, start-up left out of ours (imports) and not of ffmpeg's. The goal is 1.5.
The ratio of processor times is printed as well: it says more where other work runs on the machine.
`--three-hours` makes clips of a synthetic three-hour 720p video (the decode pass, the sampled frames, the cuts, as
segment's child does) and prints the peak of its resident memory. It takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEDIA = (ROOT / "../shared/media/video").resolve()
FILES = ("laion400m_talk.mp4", "sintel_trailer_480p_en.mp4", "big_buck_bunny_0_30.webm")
THREE_HOURS_S = 3 * 3600
SENTENCE_S = 6
MIB = 1024**2


def measure(path: Path) -> dict[str, float]:
    """One decode pass in this process: seconds without imports, frames, peak MiB resident."""
    from vta_stream.media.candidates import FrameSpool
    from vta_stream.media.decode import decode_pass
    from vta_stream.settings.work import SegmentSettings

    settings = SegmentSettings()
    with tempfile.TemporaryDirectory() as folder:
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        with FrameSpool(Path(folder) / "spool", settings.min_clip_s / settings.frames_per_clip) as spool:
            found = decode_pass(path, spool, settings)
        wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
    return {
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "frames": found.frame_count,
        "duration_s": found.duration_s,
        "peak_mib": peak_mib,
    }


def measure_clips(path: Path) -> dict[str, float]:
    """All that segment's child does with a video in which somebody speaks for ever."""
    from vta_stream.domain.transcript import Cue
    from vta_stream.media.clips import make_clips
    from vta_stream.settings.work import SegmentSettings
    from vta_stream.stages.segmentation import choose_segments

    text = "Somebody says what is to be seen here."
    cues = [Cue(text, start_s, start_s + SENTENCE_S - 1) for start_s in range(0, THREE_HOURS_S, SENTENCE_S)]
    with tempfile.TemporaryDirectory() as folder:
        begin_s = time.perf_counter()
        made = make_clips(path, Path(folder), "three-hours", "0", cues, choose_segments, SegmentSettings())
        wall_s = time.perf_counter() - begin_s
        failed = sum(clip.failure is not None for clip in made.clips)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
    return {
        "wall_s": wall_s,
        "clips": len(made.clips),
        "failed": failed,
        "duration_s": made.decoded_s,
        "peak_mib": peak_mib,
    }


def in_a_child(path: Path, what: str = "--measure") -> dict[str, float]:
    """`measure`, or what else is asked, in a fresh process, so that the peak is its own."""
    command = [sys.executable, "-m", "tests.bench.decode", what, str(path)]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    values: dict[str, float] = json.loads(answer.stdout)
    return values


def bare(path: Path) -> tuple[float, float]:
    """Seconds of wall and processor time of `ffmpeg -f null` on the best video stream of the same file."""
    begin_s, begin = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{path}", "-an", "-sn", "-dn", "-f", "null", "-"]
    subprocess.run(command, check=True)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime
    return time.perf_counter() - begin_s, cpu_s


def three_hours(folder: Path) -> Path:
    """A three-hour 720p video: a minute of moving picture at 5 frames a second and a tone, 180 times."""
    minute, whole = folder / "minute.mp4", folder / "three_hours.mp4"
    quiet = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=5:duration=60"]
    tone = ["-f", "lavfi", "-i", "sine=duration=60"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    subprocess.run([*quiet, *picture, *tone, *codecs, str(minute)], check=True)
    loop = ["-stream_loop", str(THREE_HOURS_S // 60 - 1), "-i", str(minute), "-c", "copy"]
    subprocess.run([*quiet, *loop, str(whole)], check=True)
    return whole


def main() -> None:
    """Read the arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[MEDIA / name for name in FILES])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--three-hours", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure-clips", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure or arguments.measure_clips:
        asked = measure(arguments.measure) if arguments.measure else measure_clips(arguments.measure_clips)
        print(json.dumps(asked))
        return
    if arguments.three_hours:
        with tempfile.TemporaryDirectory() as folder:
            found = in_a_child(three_hours(Path(folder)), "--measure-clips")
        clips = f"{found['clips']:.0f} clips ({found['failed']:.0f} failed)"
        print(f"three hours: {clips} of {found['duration_s']:.0f} s in {found['wall_s']:.0f} s")
        print(f"three hours: peak {found['peak_mib']:.0f} MiB resident (goal: at most 1536)")
        return
    for path in arguments.files:
        walls, processors = [], []
        for _ in range(arguments.rounds):
            ours, (theirs_s, theirs_cpu_s) = in_a_child(path), bare(path)
            walls.append(ours["wall_s"] / theirs_s)
            processors.append(ours["cpu_s"] / theirs_cpu_s)
        wall, processor = statistics.median(walls), statistics.median(processors)
        print(
            f"{path.name}: decode pass / bare ffmpeg: {wall:.2f} wall time (goal: 1.5), {processor:.2f} processor time"
        )


if __name__ == "__main__":
    main()
