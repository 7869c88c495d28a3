"""The dataset's one writer: every record in it exactly once, whatever dies in between.

A commit is: (1) append the samples to shards and put these where they survive, (2) one transaction with the rows,
the shards' committed bytes and the next offsets, which is the only commit point, (3) seal full shards, and let
the caller acknowledge. What is behind the committed bytes of a shard is nothing, and recovery takes it away. What
the steps are in a folder and in a bucket: `shard_sink`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream import metrics
from vta_stream.domain.delivery import Delivery
from vta_stream.failpoints import hit
from vta_stream.ports import Committed, MediaStore, StageError, TransientError
from vta_stream.settings.work import StoreSettings
from vta_stream.stores.batch import Batch, Written
from vta_stream.stores.bucket_sink import BucketSink
from vta_stream.stores.catalog import Catalog, lake_error
from vta_stream.stores.claim import claim
from vta_stream.stores.counting import count_commit
from vta_stream.stores.fence import Fence
from vta_stream.stores.files import disk_error
from vta_stream.stores.folder_sink import FolderSink
from vta_stream.stores.lake import Lake
from vta_stream.stores.maintenance import remove_orphans, tidy
from vta_stream.stores.offsets import LogPartition, Offsets
from vta_stream.stores.reader import ended_query
from vta_stream.stores.repeats import Repeats
from vta_stream.stores.rows import moment
from vta_stream.stores.schema import migrate
from vta_stream.stores.shard_set import ShardSet
from vta_stream.stores.writer_lock import WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


class LakeDataset:
    """`ports.Dataset` on DuckLake and tar shards, in the folder `dataset_dir`.

    The constructor is cheap; `open` does the work. All but the constructor, `register_pipeline_version`
    before `open`, and `close` after a failed `open` belong to one thread.
    """

    def __init__(
        self,
        dataset_dir: Path,
        settings: StoreSettings,
        media: MediaStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dir = dataset_dir.resolve()
        self._settings = settings
        self._media = media
        self._clock = clock
        self._catalog = Catalog.of(self._dir, settings)
        self._lock = WriterLock(self._dir, self._catalog.conninfo)
        bucket = self._catalog.bucket
        self._fence = Fence(needed=bool(bucket or self._catalog.conninfo))
        self._lake: Lake | None = None
        sink = BucketSink(bucket, self._dir / "staging") if bucket else FolderSink(self._dir)
        self._shards = ShardSet(sink, settings, clock)
        self._offsets = Offsets()
        self._repeats = Repeats()
        self._versions: dict[str, str] = {}
        self._needs_recovery = False
        self._tidied_at_s = clock()

    @property
    def lake(self) -> Lake:
        """The open lake; RuntimeError before `open` and after `close`."""
        if self._lake is None:
            raise RuntimeError("the dataset is not open")
        return self._lake

    def open(self) -> None:
        """Take the lock, open or make the catalog, recover from whatever happened last time.

        TerminalError: `second_writer`, `dataset_version`, `wrong_place`, `shard_damaged`, `extension_missing`…
        """
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            if self._catalog.bucket is None:
                self._catalog.tables_dir.mkdir(exist_ok=True)
            with self._errors():
                self._lake = Lake(self._catalog)
                claim(self._lake)
                self._lake.correct_data_path()
                migrate(self._lake)
                remove_orphans(self._lake)
                self._recover()
                self._save_versions()
        except OSError as error:
            self.close()
            raise disk_error(error, self._dir) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the shards' files and the catalog, and let another writer in."""
        self._shards.close()
        if self._lake is not None:
            self._lake.close()
            self._lake = None
        self._lock.release()

    def register_pipeline_version(self, version: str, settings_json: str) -> None:
        """Say what is behind a pipeline version; stored now or, before `open`, then. Known ones stay as they are."""
        self._versions[version] = settings_json
        if self._lake is not None:
            self._save_versions()

    def _save_versions(self) -> None:
        known = {version for (version,) in self.lake.rows("SELECT pipeline_version FROM pipeline_versions")}
        new = [
            {"pipeline_version": version, "settings_json": text, "registered_at": moment(self._clock())}
            for version, text in self._versions.items()
            if version not in known
        ]
        if new:
            with self._transaction():
                self.lake.insert("pipeline_versions", new)

    def check_log_ends(self, ends: Mapping[LogPartition, int]) -> None:
        """TerminalError `offsets_ahead` if a log ends before the offset that the dataset has read it to.

        `ends` maps (cluster id, topic id, partition) to the log's end: the offset that is written next.
        """
        self._offsets.check(ends)

    def ended_at_s(self, video_ids: Collection[str]) -> Mapping[str, float]:
        """When those of the videos ended (Unix seconds) that are done or failed."""
        if not video_ids:
            return {}
        with self._errors(), self.lake.lookup("asked_videos", [{"video_id": video_id} for video_id in video_ids]):
            return dict(self.lake.rows(ended_query("asked_videos")))

    def commit(self, deliveries: Sequence[Delivery[Any]]) -> Committed:
        """Add the records; see ports.Dataset. A record that the dataset holds already is dropped and counted."""
        started_s = time.perf_counter()
        try:
            with self._undone_on_failure():
                written = self._write(deliveries)
        except BaseException:
            metrics.STORE_COMMITS.labels("failed").inc()
            raise
        metrics.STORE_COMMITS.labels("ok").inc()
        metrics.STORE_COMMIT_DURATION.observe(time.perf_counter() - started_s)
        count_commit(written, self._clock())
        hit("store.committed")
        self._after_commit()
        return Committed(written.failures, self._repeats.finished(written))

    def _write(self, deliveries: Sequence[Delivery[Any]]) -> Written:
        fresh = [(i, delivery) for i, delivery in enumerate(deliveries) if not self._offsets.holds(delivery.position)]
        repeated = len(deliveries) - len(fresh)
        if not fresh:
            metrics.STORE_REPEATS.labels("offset").inc(repeated)
            return Written()
        self._offsets.begin([delivery.position for _, delivery in fresh])
        batch = Batch(self.lake, self._shards, self._media, self._settings, self._clock())
        batch.gather(fresh)
        with self._transaction():
            written = batch.insert()
            written.repeats["offset"] += repeated
            handled = [delivery.position for index, delivery in fresh if index not in written.failures]
            planned = self._offsets.plan(handled)
            self._offsets.save(self.lake, planned)
        self._offsets.settle(handled, planned)
        return written

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self.lake.transaction():
            self._fence.hold(self.lake, self._clock())
            yield

    def _after_commit(self) -> None:
        # The rows are in: a failure from here on must not make the caller send them again. Recovery seals.
        try:
            with self._errors():
                self._shards.committed(self.lake)
        except StageError as error:
            log.warning("sealing shards failed and is done again with the next commit: %s", error)
            self._needs_recovery = True

    def tick(self) -> bool:
        """Seal shards that are open for too long; merge and clean when it is time. True after the latter."""
        now_s = self._clock()
        if self._needs_recovery or self._shards.has_overdue(now_s):
            with self._undone_on_failure(), self._transaction():
                self._shards.give_up_overdue(now_s)
                self._shards.save(self.lake)
            self._after_commit()
        if now_s - self._tidied_at_s < self._settings.maintenance_interval_s:
            return False
        self._tidied_at_s = now_s
        self._tidy()
        return True

    def _tidy(self) -> None:
        import duckdb

        try:
            with self._errors():
                self._hold_lock()
                tidy(self.lake, self._settings)
                self._shards.collect_orphans(self.lake)
        except duckdb.Error as error:  # the data are all there, only less tidy: no reason to stop
            raise TransientError("maintenance_failed", f"merging and cleaning failed: {error}") from error

    def _hold_lock(self) -> None:
        if not self._lock.hold():
            self._needs_recovery = True

    def _recover(self) -> None:
        self._lock.hold()  # without it nobody may take a new number: another writer's would be lower then
        # The number comes first: what an earlier attempt has under way at the server is settled by it.
        self._fence.take(self.lake, self._clock())
        self._shards.recover(self.lake, self._fence.number)
        self._offsets.load(self.lake)
        self._needs_recovery = False

    @contextmanager
    def _undone_on_failure(self) -> Iterator[None]:
        """Recover first if the last attempt could not; after a failure of the block, take back what it left.

        The catalog is asked what holds, because a COMMIT that reports an error may still have happened.
        """
        with self._errors():
            self._hold_lock()
            if self._needs_recovery:
                self._recover()
            try:
                yield
            except BaseException:
                self._needs_recovery = True
                self._try_to_recover()
                raise

    def _try_to_recover(self) -> None:
        import duckdb

        try:
            self._recover()
        except (OSError, StageError, duckdb.Error) as error:
            log.warning("a failed commit could not be taken back yet, the next one tries again: %s", error)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of disk and catalog that may pass become TransientError; all others stay what they are."""
        import duckdb

        try:
            yield
        except StageError:
            raise
        except OSError as error:
            raise disk_error(error, self._dir) from error
        except duckdb.Error as error:
            known = lake_error(error)
            if known is None:
                raise
            raise known from error
