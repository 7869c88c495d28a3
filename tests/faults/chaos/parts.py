"""The parts of the real stages that would look at pictures and sound, made by code instead."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.chaos import world
from vta_stream.domain.clip import Caption, Clip
from vta_stream.domain.scores import Scores
from vta_stream.domain.transcript import Cue, Transcript, Word
from vta_stream.domain.verdict import Verdict
from vta_stream.domain.video import Fetched, Subtitle, VideoFacts, VideoRequest
from vta_stream.ports import CaptionModel, ClipInputs, DeferError, ImageTextModel, Models, TerminalError, TransientError

DIM = 8
MEDIA = "video.bin"
FACTS = VideoFacts("chaos", 60.0, 64, 48, 25.0, 0, "none", "none", "none", 16_000, 1)
HANG_S = 3600.0


class Tries:
    """How often something was tried, over all processes and deaths: a byte in a file for each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def next(self, identity: str) -> int:
        """This one's number, from 1."""
        with (self._folder / identity).open("ab") as file:
            file.write(b".")
            file.flush()
            return file.tell()


class ToySource:
    """Brings the video's bytes, after a moment; or fails as its ID says."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    async def setup(self) -> None:
        return

    async def fetch(self, request: VideoRequest, folder: Path) -> Fetched:
        video, kind = request.video_id, world.kind_of(request.video_id)
        await asyncio.sleep(0.3 * world.roll(video, "fetch"))
        if kind == "gd":
            raise TerminalError("private", f"{video} is private")
        if kind == "fl" and self._tries.next(video) <= 2:
            raise TransientError("reset", "the connection was reset")
        if kind == "df" and self._tries.next(video) == 1:
            raise DeferError("live", "not over yet", 1.0)
        await asyncio.to_thread((folder / MEDIA).write_bytes, world.content(video, "media"))
        return Fetched(MEDIA, (), {"title": f"Video {video}", "channel_id": f"channel-{int(video[3:]) % 50}"})

    async def close(self) -> None:
        return


class ToyProber:
    """Says the same of all videos."""

    async def probe(self, path: Path) -> tuple[VideoFacts, tuple[Subtitle, ...]]:
        return FACTS, ()

    async def close(self) -> None:
        return


class ToySpeechReader:
    """Writes the sound, which is a file of some bytes."""

    async def subtitle(
        self, media: Path, subtitle: Subtitle, path: Path | None, duration_s: float | None
    ) -> tuple[Cue, ...]:
        raise TerminalError("no_subtitles", "there are none here")

    async def audio(self, media: Path, target: Path, duration_s: float | None) -> float | None:
        await asyncio.to_thread(target.write_bytes, b"sound" * 100)
        return duration_s

    async def close(self) -> None:
        return


class ToyRecognizer:
    """Hears one sentence a clip."""

    model_id = "toy"

    def setup(self) -> None:
        return

    def transcribe(self, media: Path, video_id: str, language: str | None) -> Transcript:
        kind = world.kind_of(video_id)
        time.sleep(0.1 * world.roll(video_id, "hear") + (1 + 2 * world.roll(video_id, "slow") if kind == "sl" else 0))
        if kind == "tt":
            raise TerminalError("no_speech_track", f"{video_id} cannot be heard")
        if kind == "ex":
            raise TransientError("gpu_busy", "try again")
        plans = world.clips_of(video_id)
        cues = [
            Cue(f"Sentence {plan.index}.", plan.start_s, plan.end_s, (Word("Sentence", plan.start_s, plan.end_s, 0.9),))
            for plan in plans
        ]
        return Transcript(video_id, "asr", "en", tuple(cues), self.model_id)

    def close(self) -> None:
        return


def read_frames(path: Path) -> tuple[Any, Sequence[Any]]:
    """The sampled frames of a clip: three pictures made from its name; none for the kind `nf`'s first."""
    try:
        identity = path.read_text()
    except FileNotFoundError as error:
        raise TransientError("media_gone", f"{path.name} is not there any more") from error
    if world.kind_of(identity) == "nf" and plan_of(identity).ending == "failed":
        return [], []
    seed = int(world.roll(identity, "frames") * 2**32)
    pictures = np.random.default_rng(seed).integers(0, 255, (3, 4, 4, 3), dtype=np.uint8)
    return [0.0, 1.0, 2.0], list(pictures)


def plan_of(identity: str) -> world.ClipPlan:
    """The plan behind a clip's ID, which begins with its video's and its start in milliseconds."""
    video, start_ms = identity[:11], int(identity[12:21])
    return next(plan for plan in world.clips_of(video) if round(plan.start_s * 1000) == start_ms)


class ToyModel:
    """Vectors of what it is given, always the same."""

    model_id = "toy-clip"
    dim = DIM

    def setup(self) -> None:
        return

    def embed_images(self, images: Sequence[Any]) -> Any:
        return _vectors([image.tobytes() for image in images])

    def embed_texts(self, texts: Sequence[str]) -> Any:
        return _vectors([text.encode() for text in texts])


def _vectors(contents: Sequence[bytes]) -> Any:
    if not contents:
        return np.zeros((0, DIM), np.float32)
    rows = np.stack([np.random.default_rng(list(content)).normal(size=DIM) for content in contents]).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class ToyModels:
    """`ports.Models`: the one model there is."""

    def image_text(self) -> ImageTextModel:
        return ToyModel()

    def captions(self) -> CaptionModel:
        raise NotImplementedError("the toy captioner needs no model")


class ToyScorer:
    """The roll of each clip; the kind `bg` shows its defect here."""

    def setup(self, models: Models) -> None:
        models.image_text().setup()

    def score(self, batch: Sequence[ClipInputs]) -> Sequence[Scores]:
        time.sleep(0.02)
        found = []
        for inputs in batch:
            clip = inputs.clip
            if world.kind_of(clip.video_id) == "bg" and clip.index == 0:
                raise ValueError(f"a planted defect shows on {clip.clip_id}")
            inputs.frame_embeddings()
            found.append(Scores({"roll": world.roll(clip.video_id, clip.index)}))
        return found


class ToyCaptioner:
    """A sentence a clip; the kind `po` kills the process here, and leaves a note that it did."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        notes.mkdir(parents=True, exist_ok=True)

    def setup(self, models: Models) -> None:
        return

    def caption(self, batch: Sequence[ClipInputs]) -> Sequence[Caption | None]:
        time.sleep(0.02)
        for inputs in batch:
            clip = inputs.clip
            if world.kind_of(clip.video_id) == world.POISON and clip.index == 0:
                (self._notes / str(os.getpid())).write_text(clip.clip_id)
                os.kill(os.getpid(), signal.SIGKILL)
        return [Caption("toy", f"A caption of {inputs.clip.clip_id}.", "toy") for inputs in batch]


class ToyFilter:
    """Refuses the clips that the plan refuses after this stage."""

    needs = "roll"

    def __init__(self, after: str) -> None:
        self.name = f"chaos_{after}"
        self.after = after

    def judge(self, clip: Clip) -> Verdict:
        keep = plan_of(clip.clip_id).by != self.name
        return Verdict(self.name, keep, "as planned", clip.scores.values.get("roll"), world.SCORE_LIMIT)
