"""Reading the dataset while the daemon writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vta_stream.ports import StageError
from vta_stream.settings import Settings
from vta_stream.stores.catalog import Catalog, connect
from vta_stream.stores.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class DatasetError(Exception):
    """The dataset cannot be read; the text says why and what to do."""


def attach_statement(settings: Settings) -> str:
    """The SQL that attaches the dataset as `vta` in any DuckDB, to be read while the daemon writes."""
    return Catalog.of(settings.dataset_dir, settings.store).attach_statement()


@contextmanager
def open_reader(settings: Settings) -> Iterator[DuckDBPyConnection]:
    """A DuckDB connection on the dataset (`vta`, its default database), READ_ONLY; closed after the block.

    DatasetError if there is no dataset yet, or none of this version. Every query sees a snapshot of its own,
    unless the caller says BEGIN.
    """
    try:
        catalog = Catalog.of(settings.dataset_dir, settings.store)
    except StageError as error:
        raise DatasetError(str(error)) from error
    with read_catalog(catalog) as connection:
        yield connection


@contextmanager
def read_catalog(catalog: Catalog) -> Iterator[DuckDBPyConnection]:
    """`open_reader` for a dataset that is not the settings'."""
    import duckdb

    try:
        if catalog.file and not catalog.file.is_file():
            raise DatasetError(f"no dataset yet under {catalog.dataset_dir}: `vta-stream run` makes it")
        connection = connect(catalog, read_only=True)
    except StageError as error:
        raise DatasetError(str(error)) from error
    try:
        (version,) = connection.execute("SELECT max(schema_version) FROM dataset_version").fetchone() or (None,)
        if version != SCHEMA_VERSION:
            raise DatasetError(
                f"{catalog.dataset_dir} is a dataset of version {version}; this vta-stream reads version "
                f"{SCHEMA_VERSION}: use the vta-stream that made it, or attach it in DuckDB: "
                f"{catalog.attach_statement()}"
            )
    except duckdb.CatalogException as error:
        connection.close()
        raise DatasetError(
            f"{catalog.uri} holds no dataset of vta-stream (yet): `vta-stream run` makes its tables"
        ) from error
    except BaseException:
        connection.close()
        raise
    try:
        yield connection
    finally:
        connection.close()


def ended_videos(settings: Settings, video_ids: Collection[str]) -> set[str]:
    """Those of the videos that are done or failed. No dataset yet: none of them. Blocking, read-only."""
    import pyarrow as pa

    catalog = Catalog.of(settings.dataset_dir, settings.store)
    if not video_ids or (catalog.file and not catalog.file.is_file()):
        return set()
    with open_reader(settings) as connection:
        connection.register("asked_videos", pa.table({"video_id": list(video_ids)}))
        return {video_id for video_id, _ in connection.execute(ended_query("asked_videos")).fetchall()}


def ended_query(asked: str) -> str:
    """The query for (video_id, when it ended in Unix seconds) of the ended videos among the table `asked`."""
    return (
        f"SELECT video_id, epoch(updated_at) FROM videos SEMI JOIN {asked} USING (video_id) "
        "WHERE status IN ('done', 'failed')"
    )
