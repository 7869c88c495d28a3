"""Named places at which a test can kill the process, to prove what the delivery contract promises.

`VTA_FAILPOINT=store.appended` kills the process (SIGKILL, as the kernel would) the first time it comes by
there; `store.appended:3` the third time. Without the variable a failpoint costs one comparison.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "VTA_FAILPOINT"

POINTS = {
    "shell.begun": "what is about to be worked on is in the crash ledger; the work has not begun",
    "shell.worked": "the work is over; nothing that follows from it was sent",
    "shell.sent": "the broker has all that follows from the work; its source is not acknowledged",
    "shell.buried": "the broker has a dead letter; its input is not acknowledged",
    "shell.committing": "the finished prefix of a partition is about to be committed to the broker",
    "shell.committed": "the broker has the commit; the shell has not noted it",
    "ledger.rewriting": "the crash ledger's new file is written, and not yet in the old one's place",
    "journal.compacting": "the journal's new file is synced, and not yet in the old one's place",
    "media.synced": "an artifact's files are written and synced, under its temporary name",
    "media.published": "an artifact has its name; nobody was told",
    "media.removing": "the media of an ended video are about to be removed",
    "media.removed": "the media of an ended video are gone; nobody was told",
    "store.appending": "some samples of the batch are in the open shard, not synced",
    "store.appended": "all samples are in the open shard and synced; no row says so yet",
    "store.inserted": "the rows are in the transaction, which is not committed",
    "store.committed": "the transaction is committed; full shards are not sealed, nothing is acknowledged",
    "store.sealing": "a full shard has its end blocks but still its temporary name",
    "store.sealed": "a full shard has its final name; others may still be waiting",
    "store.listing": "a new splits.csv is about to be written; shards are sealed that the old one lacks",
    "store.recovering": "recovery has cut an open shard back to its committed bytes, and has more to do",
    "store.tidying": "maintenance has merged small files; the old ones are still there and known",
}
"""Every failpoint and what holds there. A test holds them to the code, and to tests that kill at each."""

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
        os.write(2, f"killed at the failpoint {_armed}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
