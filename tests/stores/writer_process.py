"""A writer that a test can kill: commits the same deliveries in the same batches, every time it is started.

python -m tests.stores.writer_process FOLDER FIRST_OFFSET [STORE]

STORE is JSON: settings of the store.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


class NotInstalled:
    """Only other packages' tests bring pandas and pytz; a writer has to do without them, and starts quicker."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("pandas", "pytz"):
            raise ModuleNotFoundError(name=name)


sys.meta_path.insert(0, NotInstalled)  # type: ignore[arg-type]

from tests.stores.lakes import Logs, dataset, dead, done, embedded, rejected  # noqa: E402

BATCH = 4
SHARD_SAMPLES = 3


def main(folder: Path, first_offset: int, store: dict[str, Any]) -> None:
    records: list[object] = []
    for video in ("vid-a", "vid-b"):
        for index in range(4):
            records.append(embedded(folder, video, index, 5))
        records += [rejected(video, 4, 5), done(folder, video, 5)]
    records += [dead("download", "vid-c", offset=7), dead("score", "vid-b", rejected("vid-b", 4, 5).clip_id, offset=8)]
    logs = Logs()
    logs.next = dict.fromkeys(("clips.embedded", "clips.rejected", "videos.done", "dead-letters"), first_offset)
    deliveries = logs.deliver(*records)
    lake = dataset(folder, shard_samples_max=SHARD_SAMPLES, **store)
    lake.open()
    for start in range(0, len(deliveries), BATCH):
        failures = lake.commit(deliveries[start : start + BATCH]).failures
        if failures:
            raise SystemExit(f"a record failed: {failures}")
        print("acknowledged", start, flush=True)
    lake.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
