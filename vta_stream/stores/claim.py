"""Is this the place of this dataset's files? Asked before anything is written to it, or removed from it.

A catalog that is not in its files' folder can be pointed at the wrong folder or bucket by one word of settings. A
writer there would take the files of another dataset for orphans. So the first writer leaves a mark in the place, with
the catalog's own identity, and a later one that does not find it there stops.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.ports import TerminalError
from vta_stream.stores.bucket import Bucket
from vta_stream.stores.catalog import TABLES_FOLDER
from vta_stream.stores.files import replace_file
from vta_stream.stores.shards import SHARDS_FOLDER

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

MARK = "dataset.json"


def claim(lake: Lake) -> None:
    """Leave the mark in a new dataset's place. Nothing is asked where catalog and files lie in one folder anyway.

    TerminalError `wrong_place` if the catalog has tables and its mark is not there, `place_taken` if another
    dataset's mark is, or other files.
    """
    catalog = lake.catalog
    if catalog.file and not catalog.bucket and not lake.data_path().startswith("s3://"):
        return
    ours = lake.identity()
    home = catalog.bucket or catalog.dataset_dir
    place = catalog.bucket.url if catalog.bucket else str(catalog.dataset_dir)
    found = _read(home)
    if found == ours:
        return
    if found is not None:
        raise TerminalError(
            "place_taken",
            f"{place} holds the files of another dataset than the catalog {catalog.uri}: set store.catalog and "
            "store.s3.url (or data_dir) to the same dataset's, or both to new places",
        )
    if lake.tables():
        raise TerminalError(
            "wrong_place",
            f"the catalog {catalog.uri} has its files in {lake.data_path()}, and {place} is not that place, nor a copy "
            f"of it ({MARK} is missing): mend store.s3.url or data_dir, or copy all files there first",
        )
    for name in _files(home):
        raise TerminalError(
            "place_taken",
            f"{place} is to become a new dataset's place, but has files already ({name}): set store.s3.url (or "
            "data_dir) to an empty one",
        )
    _write(home, ours)


def _read(place: Bucket | Path) -> str | None:
    if isinstance(place, Bucket):
        content = place.get(MARK)
    else:
        content = (place / MARK).read_bytes() if (place / MARK).is_file() else None
    return None if content is None else str(json.loads(content).get("catalog"))


def _write(place: Bucket | Path, identity: str) -> None:
    content = json.dumps({"catalog": identity}).encode()
    if isinstance(place, Bucket):
        place.put(MARK, content, create=True)
    else:
        replace_file(place / MARK, content)


def _files(place: Bucket | Path) -> Iterator[str]:
    if isinstance(place, Bucket):
        yield from (key for key, _ in place.objects(""))
    else:
        for folder in (TABLES_FOLDER, SHARDS_FOLDER):
            yield from (str(path) for path in (place / folder).rglob("*") if path.is_file())
