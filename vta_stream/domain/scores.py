"""Scores: measured once, never a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scores:
    """Measurements of one clip by name, and the reason of each measurement that failed.

    A name is in `values` or in `failures`, never in both, and there is no magic number for "failed".
    A name in neither was never measured.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def merge(self, other: Scores) -> Scores:
        """These and the `other` scores. Measuring a name again replaces the earlier word on it."""
        values = {name: value for name, value in self.values.items() if name not in other.failures}
        failures = {name: why for name, why in self.failures.items() if name not in other.values}
        return Scores({**values, **other.values}, {**failures, **other.failures})
