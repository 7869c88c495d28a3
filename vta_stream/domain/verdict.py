"""A verdict: one filter's word on one clip."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """`keep` is the decision, `reason` says it in words, `value` was compared against `limit`.

    `value` is None if the score could not be measured; then `reason` says why. `limit` is the limit that
    decided: of a range, the side that was violated, or the nearer side.
    """

    filter: str
    keep: bool
    reason: str
    value: float | None = None
    limit: float | None = None
