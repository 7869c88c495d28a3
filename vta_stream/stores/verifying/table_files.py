"""The files behind the tables: all there, readable to the last value, and none that the catalog does not know."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from vta_stream.stores.catalog import TABLES_FOLDER
from vta_stream.stores.schema import TABLES
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.snapshot import Snapshot, files_below


def check_table_files(snapshot: Snapshot, unreadable: set[str]) -> Iterator[Finding]:
    """What is wrong with the files; names the tables that cannot be read in `unreadable`."""
    folder = snapshot.catalog.tables_dir
    if snapshot.data_path() != snapshot.catalog.data_path:
        yield Finding("moved", TABLES_FOLDER, f"the catalog says {snapshot.data_path()}")
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


class UnreadableTable(Exception):
    """A table's files cannot be read; the message is DuckDB's."""

    def __init__(self, table: str, message: str) -> None:
        super().__init__(message)
        self.table = table


def copy_tables(snapshot: Snapshot, unreadable: Collection[str]) -> int:
    """Copy all other tables, each to its last value, and return how many rows there are.

    UnreadableTable for one that turns out to be another of those; that ends the transaction, too.
    """
    import duckdb

    rows = 0
    for table in TABLES:
        if table not in unreadable:
            try:
                rows += snapshot.copy(table)
            except duckdb.Error as error:
                raise UnreadableTable(table, str(error).splitlines()[0]) from error
    return rows
