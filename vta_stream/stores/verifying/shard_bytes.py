"""The bytes of every shard: each sample where its row says, nothing between, the end at the end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import groupby
from typing import BinaryIO

from vta_stream.stores.shards import END, ShardRow
from vta_stream.stores.verifying.findings import Finding
from vta_stream.stores.verifying.homes import Home
from vta_stream.stores.verifying.sample_bytes import check_sample, read_members
from vta_stream.stores.verifying.snapshot import Placed
from vta_stream.stores.verifying.tables import video_of

Progress = Callable[[int], None]
"""Told how many bytes of samples were looked at since the last time."""

PART = ".part"
_NAMED_BYTES_MAX = 64 * 1024 * 1024


def names_of(row: ShardRow) -> tuple[str, str]:
    """The name that a shard's file should have by its row, and the other one."""
    final, part = row.shard_path, row.shard_path + PART
    return (final, part) if row.state == "sealed" else (part, final)


def open_shard(home: Home, row: ShardRow) -> tuple[str, BinaryIO] | None:
    """The file of a shard and its name, whichever it has; None if it is not there."""
    first, second = names_of(row)
    # Another process may rename it between the two looks, so the first name is looked at twice.
    for name in (first, second, first):
        try:
            return name, home.open(name)
        except FileNotFoundError:
            continue
    return None


def check_shards(
    home: Home, shards: Iterable[ShardRow], samples: Iterable[Placed], progress: Progress
) -> Iterator[Finding]:
    """What is wrong with the shards' files. `samples` come by shard and offset; one sample is in memory at a time."""
    rows = {row.shard_path: row for row in shards}
    for path, placed in groupby(samples, lambda sample: sample.shard_path):
        row = rows.pop(path, None)
        if row is not None:  # else it is a finding of the tables
            yield from _check_shard(home, row, placed, progress)
    for row in rows.values():
        yield from _check_shard(home, row, (), progress)


def _check_shard(home: Home, row: ShardRow, samples: Iterable[Placed], progress: Progress) -> Iterator[Finding]:
    opened = open_shard(home, row)
    if opened is None:
        lost = list(samples)
        yield _lost("shard_missing", row.shard_path, f"{len(lost)} samples are in it", lost)
        return
    name, file = opened
    with file:
        size_bytes = file.seek(0, 2)
        if size_bytes < row.data_bytes:
            lost = [sample for sample in samples if sample.offset_bytes + sample.size_bytes > size_bytes]
            text = f"{size_bytes} bytes, and {row.data_bytes} are committed; {len(lost)} samples are cut off"
            yield _lost("shard_short" if lost else "shard_count", row.shard_path, text, lost)
            return
        data_bytes = yield from _check_content(file, size_bytes, row, samples, progress)
        behind_bytes = size_bytes - data_bytes
        if row.state == "open" and home.sink.keeps_open:
            yield from _check_open(name, row, behind_bytes)
        else:
            yield from _check_end(file, name, row, behind_bytes)


def _check_content(
    file: BinaryIO, size_bytes: int, row: ShardRow, samples: Iterable[Placed], progress: Progress
) -> Generator[Finding, None, int]:
    """Returns where the samples end."""
    reached_bytes = sample_count = 0
    for sample in samples:
        sample_count += 1
        if sample.offset_bytes > reached_bytes:
            yield _unnamed(file, row, reached_bytes, sample.offset_bytes)
        fault = _fault(file, size_bytes, sample)
        if fault is not None:
            yield _lost("sample_damaged", f"{row.shard_path} {sample.clip_id}", fault, [sample])
        reached_bytes = max(reached_bytes, sample.offset_bytes + sample.size_bytes)
        progress(sample.size_bytes)
    if row.data_bytes > reached_bytes:
        yield _unnamed(file, row, reached_bytes, row.data_bytes)
    if sample_count != row.sample_count or reached_bytes > row.data_bytes:
        text = (
            f"it says {row.sample_count} samples in {row.data_bytes} bytes; "
            f"there are {sample_count} that reach to {reached_bytes}"
        )
        yield Finding("shard_count", row.shard_path, text)
    return max(reached_bytes, row.data_bytes)


def _fault(file: BinaryIO, size_bytes: int, sample: Placed) -> str | None:
    if sample.offset_bytes < 0 or not 0 < sample.size_bytes <= size_bytes - sample.offset_bytes:
        return f"{sample.size_bytes} bytes from {sample.offset_bytes} on are not in a file of {size_bytes}"
    file.seek(sample.offset_bytes)
    try:
        check_sample(sample, file.read(sample.size_bytes))
    except ValueError as error:
        return str(error)
    return None


def _unnamed(file: BinaryIO, row: ShardRow, start_bytes: int, end_bytes: int) -> Finding:
    file.seek(start_bytes)
    try:
        names = list(read_members(file.read(min(end_bytes - start_bytes, _NAMED_BYTES_MAX))))
    except ValueError:
        names = []
    shown = ", ".join(names[:6]) + ("…" if len(names) > 6 else "")
    text = f"{end_bytes - start_bytes} bytes from {start_bytes} on: {shown or 'no whole members'}"
    return Finding("unnamed_bytes", row.shard_path, text)


def _check_open(name: str, row: ShardRow, behind_bytes: int) -> Iterator[Finding]:
    """The end of a shard that a writer goes on with."""
    if not name.endswith(PART):
        yield Finding("shard_renamed", row.shard_path, f"{behind_bytes} bytes behind its samples")
    elif behind_bytes > 0:
        yield Finding("shard_tail", name, f"{behind_bytes} bytes")


def _check_end(file: BinaryIO, name: str, row: ShardRow, behind_bytes: int) -> Iterator[Finding]:
    """The end of a shard that is finished, or, in a bucket, that nobody will ever finish."""
    if name.endswith(PART):
        yield Finding("shard_unsealed", name, f"{row.sample_count} samples, and its row calls it {row.state}")
        return
    if row.state == "open":
        yield Finding("shard_renamed", name, "its row calls it open, and no writer goes on with one in a bucket")
        return
    file.seek(-behind_bytes, 2)
    if behind_bytes != len(END) or file.read(len(END)) != END:
        text = f"{behind_bytes} bytes behind its samples; {len(END)} empty ones are tar's end"
        yield Finding("shard_end", name, text)


def _lost(kind: str, place: str, detail: str, samples: Iterable[Placed]) -> Finding:
    clips = tuple(dict.fromkeys(sample.clip_id for sample in samples))
    return Finding(kind, place, detail, tuple(dict.fromkeys(video_of(clip_id) for clip_id in clips)), clips)
