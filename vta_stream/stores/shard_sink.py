"""Where shards live: a folder, in which a file can grow and be cut back, or a bucket, in which nothing can.

One protocol for both (`dataset` runs it, `ShardSet` keeps the books):

| step        | folder (`FolderSink`)                         | bucket (`BucketSink`)                             |
|-------------|-----------------------------------------------|---------------------------------------------------|
| append      | to `shard-N.tar.part`, open across commits    | to a `.part` in the staging folder of this machine |
| persist     | fsync                                         | end every touched shard and upload it, create-only |
| transaction | rows, committed bytes, offsets                | rows, sealed shards, offsets                      |
| seal        | end, fsync, rename a full shard               | nothing is left to do                             |
| recover     | cut open shards back, finish the sealed ones  | remove what the catalog does not know: orphans    |

So in a bucket a commit is a shard a layout and split. Its rows are visible, and its offsets are behind it, once the
shard is whole in the bucket: at most `store.commit_wait_s` and the upload later. Until then the records stay in the
log and their media in the media store, and a machine that is lost takes nothing with it. (Rows at once and the upload
when the shard is full would show rows within seconds, and lose the open shards' samples with the machine.) The price
is small shards where little comes in, for val and test above all: a longer wait makes larger ones.

A name in a bucket carries the number of its writer (`fence`), and none is ever used twice, because each recovery takes
a new number. So a writer that was paused while another took over can overwrite nothing; and since orphans are removed
only up to one's own number, it can remove nothing of a later writer either. What it uploads late is an orphan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vta_stream.domain.sample import Split
from vta_stream.stores.shards import Layout, OpenShard, ShardRow


class ShardSink(Protocol):
    """One place for shards. Every method may raise OSError or TransientError: then nothing is promised yet."""

    keeps_open: bool
    """True if an open shard outlives a commit; else every commit seals what it wrote."""

    def recover(self, rows: Sequence[ShardRow], writer: int) -> list[OpenShard]:
        """Make the place what the catalog says (`rows`); returns the open shards, to go on with.

        `writer` is the number of this writer, which no earlier one had.
        """

    def new(self, layout: Layout, split: Split, index: int, now_s: float) -> OpenShard:
        """An empty shard."""

    def persist(self, shard: OpenShard) -> None:
        """What was appended survives the machine's end from here on. Doing it again is no work.

        Without `keeps_open` the shard gets no more samples.
        """

    def seal(self, shard: OpenShard) -> None:
        """After the commit that calls a full shard sealed: readers see it from here on."""

    def write_splits(self, rows: Sequence[ShardRow]) -> None:
        """Bring each layout's `splits.csv` up to date: its sealed shards among `rows`."""

    def collect_orphans(self, rows: Sequence[ShardRow]) -> int:
        """Between commits: remove what an earlier writer left since the last recovery; returns how many."""
