"""Compacts a journal whose first request has ended.

python -m tests.faults.journal_world FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from vta_stream.stream.journal import Journal

ENDED = "vid-0"


def main(file: Path) -> None:
    Journal(file).compact(lambda video_ids: {video_id for video_id in video_ids if video_id == ENDED})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
