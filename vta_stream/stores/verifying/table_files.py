"""The files behind the tables: all there, readable to the last value, and none that the catalog does not know."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vta_stream.stores.catalog import TABLES_FOLDER
from vta_stream.stores.schema import TABLES
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.homes import Home
from vta_stream.stores.verifying.snapshot import Snapshot


def check_table_files(snapshot: Snapshot, home: Home, unreadable: set[str]) -> Iterator[Finding]:
    """What is wrong with the files; names the tables that cannot be read in `unreadable`."""
    if snapshot.data_path() != snapshot.catalog.data_path:
        yield Finding("moved", TABLES_FOLDER, f"the catalog says {snapshot.data_path()}")
    there = home.files(TABLES_FOLDER)
    known: set[str] = set()
    for table, path, size_bytes in list(snapshot.table_files()):
        place = f"{TABLES_FOLDER}/{path.removeprefix(snapshot.catalog.data_path)}"
        known.add(place)
        if size_bytes is None:
            continue  # only older snapshots need it, or none
        if place not in there:
            unreadable.add(table)
            yield Finding("table_file_missing", place, f"of the table {table}")
        elif there[place] != size_bytes:
            unreadable.add(table)
            text = f"of the table {table}: {there[place]} bytes, not {size_bytes}"
            yield Finding("table_file_damaged", place, text)
    for place in sorted(there.keys() - known):
        yield Finding("unknown_table_file", place, f"{there[place]} bytes")


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
