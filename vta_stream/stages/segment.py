"""Segment: one decode pass, segments chosen, clips cut and verified; every clip a record, then the video's."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from vta_stream.domain.clip import Clip, Segment, SegmentedVideo, Span
from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.making import MadeClip, MadeVideo
from vta_stream.domain.scores import Scores
from vta_stream.domain.transcript import Cue, TranscribedVideo, Transcript
from vta_stream.domain.verdict import Verdict
from vta_stream.metrics import MEDIA_SECONDS
from vta_stream.ports import DISK_FULL, ArtifactFolder, MediaStore, Outcome, StageError, TransientError
from vta_stream.settings.work import SegmentSettings

T = TypeVar("T")

Choose = Callable[[Sequence[Cue], Sequence[Span], SegmentSettings], tuple[Segment, ...]]
Make = Callable[[Path, Path, str, str, Sequence[Cue], Choose, SegmentSettings], MadeVideo]
"""(media, folder, video_id, pipeline_version, cues, choose, settings) -> the clips, whose files are in folder."""

CUT_FILTER = "cut"
"""The name under which a cut that is not as asked is a rejection."""

UNKNOWN_DURATION_S = 3600.0
"""A video whose header does not say how long it is gets as much time as one of an hour."""

_CLIPS_FILE = "clips.json"
_GROUPS = ("channel_id", "uploader_id")


class Children(Protocol):
    """Runs a function in a child process that can be killed."""

    async def run(self, function: Callable[..., T], *arguments: object, deadline_s: float) -> T:
        """The function's result; raises its StageError, or TransientError past the deadline or for a crash."""

    async def close(self) -> None:
        """End the children."""


class SegmentStage:
    """`videos.transcribed` to `clips.segmented` (and `clips.rejected`), then `videos.done`.

    All native work on foreign media happens in one call to a child. A clip whose cut is not as asked goes
    to `clips.rejected` with a verdict of the filter `cut`, so that it has its row and its reason. An
    artifact that exists is used again; while another delivery of the video is at it, here or in another worker,
    this one is put off.
    """

    name = "segment"
    batch_max = 1
    batch_wait_s = 0.0
    ordered = False

    def __init__(
        self,
        store: MediaStore,
        children: Children,
        make: Make,
        choose: Choose,
        read_transcript: Callable[[Path], Transcript],
        settings: SegmentSettings,
        pipeline_version: str,
    ) -> None:
        self.concurrency = settings.concurrency
        self._store = store
        self._children = children
        self._make = make
        self._choose = choose
        self._read_transcript = read_transcript
        self._settings = settings
        self._pipeline_version = pipeline_version

    async def setup(self) -> None:
        """Nothing: children start at the first need, and the libraries are loaded in them."""

    async def process(self, deliveries: Sequence[Delivery[TranscribedVideo]]) -> Sequence[Outcome]:
        """The clips of each video, and the video's own record last."""
        return [await self._outcome(delivery.record) for delivery in deliveries]

    async def close(self) -> None:
        """End the children."""
        await self._children.close()

    async def _outcome(self, transcribed: TranscribedVideo) -> Outcome:
        try:
            artifact = self._store.artifact(transcribed.video_id, self.name, self._key(transcribed))
            made = await self._made(transcribed, artifact)
            return await asyncio.to_thread(self._emissions, transcribed, artifact, made)
        except StageError as error:
            return error
        except FileNotFoundError as error:
            return TransientError("media_gone", f"{error.filename} is not in the media store (any more)")
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            return TransientError("disk_full", f"no room for the clips of {transcribed.video_id}: {error}")

    def _key(self, transcribed: TranscribedVideo) -> str:
        """What the clips come from: this pipeline, these bytes, this transcript."""
        parts = (transcribed.video.media.sha256, transcribed.transcript.path)
        return f"{self._pipeline_version}_{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"

    async def _made(self, transcribed: TranscribedVideo, artifact: ArtifactFolder) -> MadeVideo:
        if not artifact.exists():
            with artifact.alone() as folder:
                if not artifact.exists():  # else another delivery has just made it
                    return await self._make_in(folder, transcribed, artifact)
        found = await asyncio.to_thread(self._store.path(f"{artifact.relative}/{_CLIPS_FILE}").read_bytes)
        return msgspec.json.decode(found, type=MadeVideo)

    async def _make_in(self, folder: Path, transcribed: TranscribedVideo, artifact: ArtifactFolder) -> MadeVideo:
        transcript = await asyncio.to_thread(self._read_transcript, self._store.path(transcribed.transcript.path))
        made = await self._children.run(
            self._make,
            self._store.path(transcribed.video.media.path),
            folder,
            transcribed.video_id,
            self._pipeline_version,
            transcript.cues,
            self._choose,
            self._settings,
            deadline_s=self._deadline_s(transcribed),
        )
        await asyncio.to_thread((folder / _CLIPS_FILE).write_bytes, msgspec.json.encode(made))
        await asyncio.to_thread(artifact.commit)
        MEDIA_SECONDS.labels("decoded").inc(made.decoded_s)
        MEDIA_SECONDS.labels("cut").inc(sum(clip.cut.got.duration_s for clip in made.clips if not clip.failure))
        return made

    def _deadline_s(self, transcribed: TranscribedVideo) -> float:
        duration_s = transcribed.video.facts.duration_s or UNKNOWN_DURATION_S
        return max(self._settings.timeout_min_s, self._settings.timeout_factor * duration_s)

    def _emissions(
        self, transcribed: TranscribedVideo, artifact: ArtifactFolder, made: MadeVideo
    ) -> tuple[Emission, ...]:
        emissions = []
        for index, part in enumerate(made.clips):
            clip = self._clip(transcribed, artifact, made, index, part)
            emissions.append(Emission("clips.segmented" if clip.accepted else "clips.rejected", clip))
        reason = None if made.clips else self._why_none(transcribed, made)
        done = SegmentedVideo(
            transcribed, self._pipeline_version, len(made.clips), made.decoded_s, made.shot_count, reason
        )
        return *emissions, Emission("videos.done", done)

    def _clip(
        self, transcribed: TranscribedVideo, artifact: ArtifactFolder, made: MadeVideo, index: int, part: MadeClip
    ) -> Clip:
        verdicts: dict[str, Any] = {}
        if part.failure:
            reason, found = part.failure
            verdicts = {
                "verdicts": (Verdict(CUT_FILTER, keep=False, reason=f"{reason}: {found}"),),
                "judged_at_s": time.time(),
            }
        return Clip(
            clip_id=part.clip_id,
            video_id=transcribed.video_id,
            pipeline_version=self._pipeline_version,
            index=index,
            clip_count=len(made.clips),
            span=part.segment.span,
            text=part.segment.text,
            words=part.segment.words,
            language=transcribed.transcript.language,
            transcript_source=transcribed.transcript.source,
            media=self._store.describe(f"{artifact.relative}/{part.clip_id}.mp4"),
            frames_path=f"{artifact.relative}/{part.clip_id}.npz",
            cut=part.cut,
            split_group=_split_group(transcribed),
            scores=Scores({"motion": part.motion, "shot_purity": part.shot_purity}),
            **verdicts,
        )

    def _why_none(self, transcribed: TranscribedVideo, made: MadeVideo) -> str:
        if made.decoded_s < self._settings.min_clip_s:
            return "too_short"
        if transcribed.transcript.word_count == 0 and self._settings.without_speech == "skip":
            return "no_speech"
        return "no_segment_long_enough"


def _split_group(transcribed: TranscribedVideo) -> str:
    """What must not be torn between train and val: the channel, else the video."""
    for name in _GROUPS:
        group = transcribed.video.metadata.get(name)
        if isinstance(group, str) and group:
            return group
    return transcribed.video_id
