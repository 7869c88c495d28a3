"""One video to its clips: the work of the segment stage, for a child process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.domain.clip import Cut, Segment, Span
from vta_stream.domain.ids import clip_id
from vta_stream.domain.making import MadeClip, MadeVideo
from vta_stream.domain.transcript import Cue
from vta_stream.ports import DISK_FULL, TransientError
from vta_stream.settings.work import SegmentSettings

if TYPE_CHECKING:
    from vta_stream.media.candidates import FrameSpool
    from vta_stream.media.decode import DecodePass

Choose = Callable[[Sequence[Cue], Sequence[Span], SegmentSettings], tuple[Segment, ...]]


def make_clips(
    media: Path,
    folder: Path,
    video_id: str,
    pipeline_version: str,
    cues: Sequence[Cue],
    choose: Choose,
    settings: SegmentSettings,
) -> MadeVideo:
    """Decode `media` once, choose segments, and write each one's sampled frames and cut into `folder`.

    A clip whose cut is not as asked is part of the answer, with its failure. Raises the StageErrors of
    `decode_pass`, and TransientError `disk_full`.
    """
    # Heavy libraries are loaded in the child, not where this function is only named.
    from av.error import FFmpegError

    from vta_stream.media.candidates import FrameSpool
    from vta_stream.media.decode import decode_pass

    spacing_s = settings.min_clip_s / settings.frames_per_clip
    try:
        with FrameSpool(folder / "candidates.spool", spacing_s) as spool:
            found = decode_pass(media, spool, settings)
            work = _Work(media, folder, found, spool, settings)
            clips = []
            for segment in choose(cues, found.shots, settings)[: settings.max_clips]:
                span = segment.span
                clips.append(work.make(clip_id(video_id, span.start_s, span.end_s, pipeline_version), segment))
    except (OSError, FFmpegError) as error:
        if error.errno in DISK_FULL:
            raise TransientError("disk_full", f"no room for the clips of {video_id}: {error}") from error
        raise
    return MadeVideo(found.duration_s, len(found.shots), tuple(clips))


@dataclass(frozen=True)
class _Work:
    media: Path
    folder: Path
    found: DecodePass
    spool: FrameSpool
    settings: SegmentSettings

    def make(self, identity: str, segment: Segment) -> MadeClip:
        """The clip of one segment, its files written."""
        from vta_stream.media.cut import cut
        from vta_stream.media.frames import write_frames
        from vta_stream.media.verify import CutError

        span, target = segment.span, self.folder / f"{identity}.mp4"
        write_frames(self.folder / f"{identity}.npz", *self.spool.pick(span, self.settings.frames_per_clip))
        target.unlink(missing_ok=True)
        failure = None
        try:
            got = cut(self.media, self.found.timeline, span, target, self.settings)
        except CutError as error:
            failure = error.reason, str(error)
            got = Cut(span, span, 0, 0.0)
            target.touch()
        return MadeClip(identity, segment, got, self.found.motion(span), self.found.purity(span), failure)
