"""The process that gets killed: the real command line, with toy parts in the real stages.

    python -m tests.faults.chaos.worker -s SETTINGS run --agents store

The environment variable VTA_CHAOS_NOTES names a folder outside the data folder for what parts have to remember.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.faults.chaos import making, parts
from vta_stream import wiring
from vta_stream.children import ChildPool
from vta_stream.cli import main
from vta_stream.ports import AnyStage
from vta_stream.stages.caption import CaptionStage
from vta_stream.stages.download import DownloadStage
from vta_stream.stages.embed import EmbedStage
from vta_stream.stages.score import ScoreStage
from vta_stream.stages.segment import SegmentStage
from vta_stream.stages.transcribe import TranscribeStage

NOTES = "VTA_CHAOS_NOTES"


class ToyPipeline(wiring.Pipeline):
    """The wiring with toy parts. The stages, the media store, the children and the store stage are the real ones."""

    def _notes(self, name: str) -> Path:
        return Path(os.environ[NOTES]) / name

    def _download(self) -> AnyStage:
        source = parts.ToySource(parts.Tries(self._notes("tries")))
        sources = {"youtube": source, "url": source, "file": source}
        return DownloadStage(self.media_store, sources, parts.ToyProber(), self.settings.download)  # type: ignore[arg-type]

    def _transcribe(self) -> AnyStage:
        return TranscribeStage(
            self.media_store, parts.ToyRecognizer(), parts.ToySpeechReader(), self.settings.transcribe
        )

    def _segment(self) -> AnyStage:
        settings = self.settings.segment
        children = ChildPool("segment", settings.concurrency)
        read = wiring._read_transcript
        return SegmentStage(
            self.media_store, children, making.make_clips, making.nothing_to_choose, read, settings, self.version
        )

    def _score(self) -> AnyStage:
        scorers = {"toy": parts.ToyScorer()}
        filters = [parts.ToyFilter("score")]
        return ScoreStage(self.media_store, scorers, filters, parts.ToyModels(), self.settings.score, parts.read_frames)

    def _caption(self) -> AnyStage:
        captioners = {"toy": parts.ToyCaptioner(self._notes("poison"))}
        filters = [parts.ToyFilter("caption")]
        return CaptionStage(
            self.media_store, captioners, filters, parts.ToyModels(), self.settings.caption, parts.read_frames
        )

    def _embed(self) -> AnyStage:
        return EmbedStage(self.media_store, parts.ToyModels(), self.settings.embed, parts.read_frames)


def tell_tasks(*_: object) -> None:
    """Write to the log what every task of the event loop waits for, and where every thread is."""
    with suppress(RuntimeError):  # no loop runs at the moment
        for task in asyncio.all_tasks():
            task.print_stack(limit=5, file=sys.stderr)
    faulthandler.dump_traceback()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, tell_tasks)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nobody is left behind by a chaos that is killed
    wiring.Pipeline = ToyPipeline  # type: ignore[misc]
    main()
