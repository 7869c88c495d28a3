"""What filters share: a score against a minimum and a maximum, and the sentence that says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from vta_stream.domain.clip import Clip
from vta_stream.domain.verdict import Verdict


@dataclass(frozen=True)
class LimitFilter:
    """Keeps a clip whose score `needs` lies within [minimum, maximum]; None is no limit on that side.

    A score that failed, was never measured or is no number rejects the clip and says why, unless the
    measurement does not apply to this clip (`not_applicable`): then the clip is kept, with that reason
    and without a value. Raises ValueError for limits that are not finite or the wrong way round.
    """

    name: ClassVar[str]
    needs: ClassVar[str]
    after: ClassVar[Literal["score", "caption"]] = "score"
    unit: ClassVar[str] = ""
    """Follows the numbers in the reason: ` s` makes `duration is 1.2 s`."""

    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        for limit in (self.minimum, self.maximum):
            if limit is not None and not math.isfinite(limit):
                raise ValueError(f"a limit has to be a finite number, not {limit}; leave it out for no limit")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"the minimum {self.minimum} is above the maximum {self.maximum}")

    def not_applicable(self, clip: Clip) -> str | None:
        """Why this score cannot exist for this clip though nothing failed, or None if it should exist."""
        return None

    def judge(self, clip: Clip) -> Verdict:
        """The verdict, with the limit that decided: the violated side, else the nearer one."""
        value = clip.scores.values.get(self.needs)
        if value is None:
            return self._judge_absence(clip)
        if math.isnan(value):
            return Verdict(self.name, False, f"{self.needs} is not a number")
        if self.minimum is not None and value < self.minimum:
            return self._verdict(False, value, self.minimum, "below the minimum of")
        if self.maximum is not None and value > self.maximum:
            return self._verdict(False, value, self.maximum, "above the maximum of")
        sides = [
            (abs(value - limit), words, limit)
            for limit, words in ((self.minimum, "not below the minimum of"), (self.maximum, "not above the maximum of"))
            if limit is not None
        ]
        if not sides:
            return Verdict(self.name, True, f"{self.needs} is {value:.4g}{self.unit}, and no limit is set", value)
        _, words, limit = min(sides)
        return self._verdict(True, value, limit, words)

    def _judge_absence(self, clip: Clip) -> Verdict:
        failure = clip.scores.failures.get(self.needs)
        if failure is not None:
            return Verdict(self.name, False, f"{self.needs} could not be measured: {failure}")
        why = self.not_applicable(clip)
        if why is not None:
            return Verdict(self.name, True, f"{self.needs} does not apply: {why}")
        return Verdict(self.name, False, f"{self.needs} was never measured; is its scorer in the settings?")

    def _verdict(self, keep: bool, value: float, limit: float, words: str) -> Verdict:
        shown, bound = f"{value:.4g}", f"{limit:.4g}"
        if shown == bound and value != limit:  # 0.19999 is below 0.2, and must not read "0.2, below 0.2"
            shown, bound = repr(value), repr(limit)
        reason = f"{self.needs} is {shown}{self.unit}, {words} {bound}{self.unit}"
        return Verdict(self.name, keep, reason, value, limit)


@dataclass(frozen=True)
class RecognisedFilter(LimitFilter):
    """A limit on what only a recogniser measures: words of subtitles, and clips without words, are kept."""

    def not_applicable(self, clip: Clip) -> str | None:
        """A clip whose words were not recognised, or that has none."""
        if clip.transcript_source != "asr":
            return f"the words are not recognised speech ({clip.transcript_source.replace('_', ' ')})"
        return None if clip.words else "no words were recognised"
