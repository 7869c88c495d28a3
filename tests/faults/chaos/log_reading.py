"""What the logs say: which errors came with a traceback, and how often."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

PLANTED = "a planted defect shows"
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ ")
_NUMBERS = re.compile(r"(?<!exit )(?<!exit -)(?<!\d)\d+")
_TEXT_MAX = 160


def traceback_endings(logs: Iterable[Path]) -> Counter[str]:
    """The last lines of all tracebacks, `alike`; planted ones not."""
    found: Counter[str] = Counter()
    for log in logs:
        inside = False
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("Traceback "):
                inside = True
            elif inside and line and not line.startswith((" ", "\t")):
                inside = False
                if PLANTED not in line:
                    found[alike(line)] += 1
    return found


def alike(line: str) -> str:
    """The line without times and numbers (exit codes stay), and not too long, so that equal ones count together."""
    return _NUMBERS.sub("N", _STAMP.sub("", line))[:_TEXT_MAX]
