"""What scorers, filters and captioners are, and what they may look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from vta_stream.domain.clip import Caption, Clip, Features
from vta_stream.domain.scores import Scores
from vta_stream.domain.verdict import Verdict
from vta_stream.ports.models import Models

if TYPE_CHECKING:
    from vta_stream.ports.models import Images, Vectors


class ClipInputs(Protocol):
    """What a scorer may look at, computed once a clip and shared by all scorers."""

    @property
    def clip(self) -> Clip:
        """The clip's record."""

    @property
    def images(self) -> Sequence[Images]:
        """The sampled frames in time order, RGB uint8 (height, width, 3)."""

    @property
    def features(self) -> Features | None:
        """Where the features were stored, or None if no scorer asked for them."""

    def frame_embeddings(self) -> Vectors:
        """(frames, dim), computed on the first call, for all clips of the batch at once."""

    def text_embedding(self) -> Vectors | None:
        """(dim,), or None for a clip without text."""


class Scorer(Protocol):
    """Measures clips. One file in `scorers/` and one line of settings add one."""

    def setup(self, models: Models) -> None:
        """Load what is needed."""

    def score(self, batch: Sequence[ClipInputs]) -> Sequence[Scores]:
        """One `Scores` a clip, in order; a measurement that fails is a failure with a reason."""


class Filter(Protocol):
    """Judges one clip by its scores. One file in `filters/` and one line of settings add one."""

    name: str
    needs: str
    """The score that is judged."""
    after: str
    """The stage after which the score exists: `score` or `caption`."""

    def judge(self, clip: Clip) -> Verdict:
        """The verdict; a missing or failed score is a `keep=False` that says so."""


class Captioner(Protocol):
    """Writes captions. One file in `captioners/` and one line of settings add one."""

    def setup(self, models: Models) -> None:
        """Load what is needed."""

    def caption(self, batch: Sequence[ClipInputs]) -> Sequence[Caption | None]:
        """One caption a clip, in order; None where there is nothing to say (no speech, say)."""
