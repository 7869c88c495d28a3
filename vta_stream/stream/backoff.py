"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from vta_stream.settings.delivery import RetrySettings

IN_PLACE_MAX_S = 30.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: evenly from zero to a ceiling that doubles with each attempt (AWS's "full jitter", 2015).

    `base_s` is the mean of the first wait, `max_s` the longest wait there is.
    """

    base_s: float
    max_s: float
    source: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    @classmethod
    def from_settings(cls, settings: RetrySettings) -> Backoff:
        """The waits of the retries topic."""
        return cls(settings.base_s, settings.max_s)

    def in_place(self) -> Backoff:
        """The waits of one who holds up all that comes behind: never longer than half a minute."""
        return Backoff(min(self.base_s, IN_PLACE_MAX_S / 2), min(self.max_s, IN_PLACE_MAX_S), self.source)

    def ceiling_s(self, attempt: int) -> float:
        """The longest wait after the given attempt, which counts from 1."""
        return min(self.max_s, 2 * self.base_s * 2.0 ** min(attempt - 1, 64))

    def wait_s(self, attempt: int) -> float:
        """A wait after the given attempt, which counts from 1."""
        return self.source.uniform(0, self.ceiling_s(attempt))
