"""The files behind the tables: all there, readable to the last value, and none that the catalog does not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vta_stream.stores.catalog import TABLES_FOLDER
from vta_stream.stores.schema import TABLES
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.snapshot import Snapshot, files_below


def check_table_files(snapshot: Snapshot, unreadable: set[str]) -> Iterator[Finding]:
    """What is wrong with the files; names the tables that cannot be read in `unreadable`."""
    folder = snapshot.catalog.tables_dir
    on_disk = dict(files_below(folder))
    known: set[str] = set()
    for table, path, size_bytes in list(snapshot.table_files()):
        name = str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path
        known.add(name)
        if size_bytes is None:
            continue  # only older snapshots need it, or none
        place = f"{TABLES_FOLDER}/{name}"
        if name not in on_disk:
            unreadable.add(table)
            yield Finding("table_file_missing", place, f"of the table {table}")
        elif on_disk[name] != size_bytes:
            unreadable.add(table)
            text = f"of the table {table}: {on_disk[name]} bytes, not {size_bytes}"
            yield Finding("table_file_damaged", place, text)
    for name in sorted(set(on_disk) - known):
        yield Finding("unknown_table_file", f"{TABLES_FOLDER}/{name}", f"{on_disk[name]} bytes")


def check_readable(snapshot: Snapshot, unreadable: set[str]) -> Iterator[Finding]:
    """Read every value of every table; names the tables that cannot be read in `unreadable`."""
    import duckdb

    for table in TABLES:
        if table in unreadable:
            continue
        try:
            list(snapshot.rows(f"SELECT bit_xor(hash(t)) FROM {table} AS t"))
        except duckdb.Error as error:
            unreadable.add(table)
            yield Finding("table_file_damaged", f"{TABLES_FOLDER}/main/{table}", str(error).splitlines()[0])
