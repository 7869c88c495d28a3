"""Frames kept from the one decode pass, before anybody knows which clips there will be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from vta_stream.domain.clip import Span

SPOOL_COUNT = 20_000
"""After so many frames the spacing doubles (and again after as many): 4 a second make 83 minutes, then 2 a
second 2.8 hours more. So the spool of a three-hour video is about 1 GB, and never more than twice that."""

_ROUNDING_S = 0.0005
"""Some containers round times to whole milliseconds."""


class FrameSpool:
    """JPEGs with their times in one file, dropped at the end: memory holds only where each lies.

    `spacing_s` is the mean time between two frames at first. Use it as a context manager.
    """

    def __init__(self, path: Path, spacing_s: float) -> None:
        self._path = path
        self._file = path.open("w+b")
        self._spacing_s = spacing_s
        self._times_s: list[float] = []
        self._ends = [0]
        self._due_s = 0.0

    def __enter__(self) -> FrameSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def wants(self, time_s: float) -> bool:
        """True if a frame at `time_s` is due. The first frame always is."""
        return not self._times_s or time_s >= self._due_s - _ROUNDING_S

    def add(self, time_s: float, jpeg: bytes) -> None:
        """Keep the frame at `time_s`; times ascend."""
        self._file.seek(self._ends[-1])
        self._file.write(jpeg)
        self._times_s.append(time_s)
        self._ends.append(self._ends[-1] + len(jpeg))
        spacing_s = self._spacing_s * (1 << (len(self._times_s) // SPOOL_COUNT))
        # From when it was due, not from when a frame came, or the spacing would be rounded up to whole frames.
        due_s = self._due_s + spacing_s
        self._due_s = due_s if due_s > time_s else time_s + spacing_s

    def pick(self, span: Span, count: int) -> tuple[list[float], list[bytes]]:
        """At most `count` different frames inside `span`, spread evenly, the first and the last among them.

        Fewer if fewer were kept inside it. If none was, as the picture stands still through all of it, the
        frame before is on screen, and is taken with the time `span.start_s`.
        """
        first, end = (
            int(at) for at in np.searchsorted(self._times_s, [span.start_s - _ROUNDING_S, span.end_s - _ROUNDING_S])
        )
        if first == end:
            return ([span.start_s], [self._read(first - 1)]) if first else ([], [])
        chosen = _spread(self._times_s[first:end], count)
        return [self._times_s[first + index] for index in chosen], [self._read(first + index) for index in chosen]

    def _read(self, index: int) -> bytes:
        self._file.seek(self._ends[index])
        return self._file.read(self._ends[index + 1] - self._ends[index])


def _spread(times_s: Sequence[float], count: int) -> list[int]:
    """Indices of `count` different times, ascending, each the nearest still free to its even instant."""
    if len(times_s) <= count:
        return list(range(len(times_s)))
    chosen: list[int] = []
    for number, instant_s in enumerate(np.linspace(times_s[0], times_s[-1], count)):
        low = chosen[-1] + 1 if chosen else 0
        high = len(times_s) - (count - number)
        near = int(np.argmin(np.abs(np.asarray(times_s[low : high + 1]) - instant_s)))
        chosen.append(low + near)
    return chosen
