"""What has to be in the dataset at the end, and what may lie about after a kill: the oracle of these tests."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tests.faults.file_broker import FileBroker, partitions
from tests.faults.small_world import CLIPS, PREFIX, READS, STORE, clip_of
from tests.stores.lakes import rows, settings, tar_keys
from vta_stream.stores.reader import DatasetError
from vta_stream.stores.verifying import verify
from vta_stream.stream.message import full_topic

LEFT_BY_A_KILL = {
    "shard_tail",
    "shard_unsealed",
    "unknown_shard_file",
    "unknown_table_file",
    "splits_csv",
    "leftover",
}
"""What recovery is for. Nothing else may be wrong with a dataset whose writer has just been killed."""


def check_remains(folder: Path) -> None:
    """After a kill, before the next start: no reader has ever seen what is not committed."""
    try:
        findings = verify(settings(folder).dataset_dir)
    except DatasetError:
        return  # it was killed before there was one
    wrong = [
        str(finding)
        for finding in findings
        if finding.kind not in LEFT_BY_A_KILL
        or (finding.kind == "unknown_shard_file" and not finding.place.endswith(".part"))
    ]
    assert not wrong, wrong


def check_dataset(folder: Path) -> None:
    """Nothing is wrong with the dataset, to the byte, and trainers see each sample once."""
    findings = verify(settings(folder).dataset_dir)
    assert not findings, [str(finding) for finding in findings]
    shards = settings(folder).dataset_dir / "shards"
    for layout in ("video-text", "embeddings"):
        keys = [key for path in shards.glob(f"{layout}/*/*.tar") for key in tar_keys(path)]
        assert len(set(keys)) == len(keys)


def check_sequence(folder: Path, video_ids: Collection[str]) -> None:
    """Every ID that was published has ended, in the right way and once; and nothing else is there."""
    good = {video_id for video_id in video_ids if not video_id.startswith("dead-")}
    expected = {(video_id, "done" if video_id in good else "failed") for video_id in video_ids}
    assert sorted(rows(folder, "SELECT video_id, status FROM videos")) == sorted(expected)
    clips = [clip_of(video_id, index) for video_id in good for index in range(CLIPS)]
    assert sorted(rows(folder, "SELECT clip_id, accepted FROM clips")) == sorted(
        (clip.clip_id, clip.accepted) for clip in clips
    )
    assert sorted(rows(folder, "SELECT clip_id, layout FROM samples")) == sorted(
        (clip.clip_id, layout) for clip in clips if clip.accepted for layout in ("video-text", "embeddings")
    )
    letters = rows(folder, "SELECT video_id, reason FROM dead_letters")
    assert sorted(letters) == sorted((video_id, "private") for video_id in set(video_ids) - good)


def check_offsets(folder: Path) -> None:
    """The dataset has read every log of the store to its end, and the broker knows."""
    broker = FileBroker(folder / "broker")
    found = {
        (topic_id, number): offset
        for topic_id, number, offset in rows(folder, "SELECT topic_id, partition, next_offset FROM offsets")
    }
    for partition in partitions(*(full_topic(PREFIX, name) for name in READS[STORE])):
        end = broker.end(partition)
        assert found.get((f"id-of-{partition.topic}", partition.number), 0) == end
        assert broker.committed(full_topic(PREFIX, STORE)).get(partition, 0) == end


def check_all(folder: Path, video_ids: Collection[str]) -> None:
    """The whole oracle."""
    check_dataset(folder)
    check_sequence(folder, video_ids)
    check_offsets(folder)
    assert not list((folder / "media").glob("*/*.part"))
