"""Is this the place of the dataset's files at all? What lies elsewhere must not be called lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

from vta_stream.stores.claim import MARK
from vta_stream.stores.reader import DatasetError
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.homes import Home
from vta_stream.stores.verifying.snapshot import Snapshot

_MARK_BYTES_MAX = 65536


def check_mark(snapshot: Snapshot, home: Home) -> Iterator[Finding]:
    """The mark that `claim` asks for, where it does.

    DatasetError if the place is another dataset's, or is not where the catalog says that its files are and has no
    mark either.
    """
    catalog, elsewhere = snapshot.catalog, snapshot.data_path()
    if catalog.file and not catalog.bucket and not elsewhere.startswith("s3://"):
        return
    ours, found = snapshot.identity(), _found(home)
    if found == ours:
        return
    if found:
        raise DatasetError(
            f"{home.url} holds the files of another dataset than the catalog {catalog.uri}: set store.catalog and "
            "store.s3.url (or data_dir) to the same dataset's; nothing was looked at"
        )
    if elsewhere != catalog.data_path:
        raise DatasetError(
            f"the catalog {catalog.uri} has its files in {elsewhere}, and {home.url} is not that place, nor a copy of "
            f"it ({MARK} is missing): mend store.s3.url or data_dir; nothing was looked at"
        )
    what = "it is not there" if found is None else "it cannot be read"
    yield Finding("mark_missing", MARK, f"{what}, and has to be {json.dumps({'catalog': ours})}")


def _found(home: Home) -> str | None:
    """The identity in the mark; "" if it has none, None without a mark."""
    try:
        with home.open(MARK) as file:
            content = json.loads(file.read(_MARK_BYTES_MAX))
    except FileNotFoundError:
        return None
    except ValueError:
        return ""
    return str(content.get("catalog") or "") if isinstance(content, dict) else ""
