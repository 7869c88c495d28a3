"""Named places in the commit path where a test can kill the process, to prove what the protocol promises.

`VTA_FAILPOINT=store.appended` kills the process (SIGKILL, as the kernel would) the first time it comes by
there; `store.appended:3` the third time. Without the variable a failpoint costs one comparison.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "VTA_FAILPOINT"

POINTS = {
    "store.appending": "some samples of the batch are in the open shard, not synced",
    "store.appended": "all samples are in the open shard and synced; no row says so yet",
    "store.inserted": "the rows are in the transaction, which is not committed",
    "store.committed": "the transaction is committed; full shards are not sealed, nothing is acknowledged",
    "store.sealing": "a full shard has its end blocks but still its temporary name",
    "store.sealed": "a full shard has its final name; others may still be waiting",
    "store.recovering": "recovery has cut an open shard back to its committed bytes, and has more to do",
}
"""Every failpoint and what holds there, so that a test can go through all of them."""

_passed: dict[str, int] = {}
_armed = os.environ.get(VARIABLE)


def hit(name: str) -> None:
    """Pass the failpoint `name`; the process ends here if the environment says so."""
    if _armed is None:
        return
    wanted, _, count = _armed.partition(":")
    if wanted not in POINTS or name not in POINTS:
        raise ValueError(f"{VARIABLE}={_armed}: no failpoint {wanted!r} at {name!r}; there are {', '.join(POINTS)}")
    if name != wanted:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
