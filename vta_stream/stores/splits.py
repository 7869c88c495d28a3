"""Which split a clip belongs to: a function of its split group alone, so it holds however the stream grows."""

from __future__ import annotations

import hashlib

from vta_stream.domain.sample import Split


def split_of(split_group: str, val_share: float, test_share: float) -> Split:
    """The split of every clip of `split_group` (a channel, else a video), so that none leaks into another.

    `test` takes the low end of the hash's range and `val` the high end: a larger share later moves groups
    out of `train`, and never from `val` to `test` or back. Shares are of the groups, from 0.0 to below 1.0.
    """
    digest = hashlib.sha256(split_group.encode("utf-8", "surrogatepass")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test_share:
        return "test"
    return "val" if place >= 1 - val_share else "train"
