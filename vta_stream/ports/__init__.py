"""What the stages need from the world, and the errors they may answer with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vta_stream.ports.errors import DISK_FULL, DeferError, StageError, TerminalError, TransientError
from vta_stream.ports.models import CaptionModel, ImageTextModel, Models, SpeechRecognizer, VideoSource
from vta_stream.ports.plugins import Captioner, ClipInputs, Filter, Scorer
from vta_stream.ports.storage import ArtifactFolder, Committed, Dataset, MediaStore
from vta_stream.ports.work import AnyStage, KeepsOffsets, Outcome, Stage

if TYPE_CHECKING:
    from vta_stream.ports.models import Images as Images
    from vta_stream.ports.models import Vectors as Vectors

__all__ = [
    "DISK_FULL",
    "AnyStage",
    "ArtifactFolder",
    "CaptionModel",
    "Captioner",
    "ClipInputs",
    "Committed",
    "Dataset",
    "DeferError",
    "Filter",
    "ImageTextModel",
    "KeepsOffsets",
    "MediaStore",
    "Models",
    "Outcome",
    "Scorer",
    "SpeechRecognizer",
    "Stage",
    "StageError",
    "TerminalError",
    "TransientError",
    "VideoSource",
]
