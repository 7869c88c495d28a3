"""A sample: what a trainer reads from a shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class Sample:
    """`members` maps an extension without its dot (`mp4`, `txt`, `json`) to bytes; `key` has no dots."""

    key: str
    split: Split
    members: Mapping[str, bytes]
