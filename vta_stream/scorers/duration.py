"""How long is the clip?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vta_stream.ports import ClipInputs
from vta_stream.scorers.base import ClipScorer


@dataclass(frozen=True)
class DurationScorer(ClipScorer):
    """Seconds of the clip's media, as found when the cut was read back, not as asked for."""

    name: ClassVar[str] = "duration"

    def measure(self, inputs: ClipInputs) -> float | None:
        """Seconds."""
        return inputs.clip.cut.got.duration_s


PLUGIN = DurationScorer
