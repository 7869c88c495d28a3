"""Whatever the order and however often records come, the dataset is the same in the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import delivery
from tests.stores.lakes import check_samples, dataset, dead, done, embedded, rejected, state, topic_of


def world(folder: Path) -> list[object]:
    """A video with an accepted, a rejected and a lost clip; an empty one; one that failed at first; a lost one."""
    lost = rejected("vid-a", 2, 3)
    return [
        embedded(folder, "vid-a", 0, 3),
        rejected("vid-a", 1, 3),
        dead("score", "vid-a", lost.clip_id, 1, reason="out_of_memory"),
        done(folder, "vid-a", 3),
        done(folder, "vid-b", 0, reason="no_speech"),
        dead("download", "vid-c", None, 2, reason="stalled"),
        embedded(folder, "vid-c", 0, 1),
        done(folder, "vid-c", 1),
        dead("transcribe", "vid-d", None, 3),
        dead("segment", "vid-a", None, 4, reason="crashed"),
    ]


def play(folder: Path, batches: list[list[int]]) -> dict[str, list[str]]:
    """Commit the records (by number) batch by batch, each at a new offset; their media are always there."""
    records = world(folder)
    lake = dataset(folder, shard_samples_max=1)
    lake.open()
    offsets: dict[str, int] = {}
    for batch in batches:
        deliveries: list[Any] = []
        for number in batch:
            topic = topic_of(records[number])
            offsets[topic] = offsets.get(topic, -1) + 1
            deliveries.append(delivery(records[number], topic, offsets[topic]))
        assert lake.commit(deliveries).failures == {}
    lake.close()
    check_samples(folder)
    return state(folder, shards=False)


@pytest.fixture(scope="module")
def expected() -> Iterator[dict[str, list[str]]]:
    folder = Path(tempfile.mkdtemp())
    found = play(folder, [list(range(10))])
    assert [row for row in found["videos"] if "'vid-a', 'status': 'done'" in row]
    assert [row for row in found["videos"] if "'vid-b', 'status': 'done'" in row]
    assert [row for row in found["videos"] if "'vid-c', 'status': 'done'" in row]
    assert [row for row in found["videos"] if "'vid-d', 'status': 'failed'" in row]
    yield found
    shutil.rmtree(folder)


@st.composite
def plays(draw: st.DrawFn) -> list[list[int]]:
    """All records at least once, some again, in any order, in batches of any size."""
    order = draw(st.permutations(range(10)))
    again = draw(st.lists(st.integers(0, 9), max_size=5))
    mixed = draw(st.permutations([*order, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(mixed) - 1), max_size=4)))
    return [mixed[start:end] for start, end in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=plays())
def test_any_order_and_any_replay_ends_in_the_same_dataset(
    batches: list[list[int]], expected: dict[str, list[str]]
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        assert play(folder, batches) == expected
    finally:
        shutil.rmtree(folder)
