from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import delivery
from tests.stores.lakes import (
    Logs,
    check_samples,
    csv_rows,
    dataset,
    dead,
    done,
    embedded,
    media_store,
    rejected,
    rows,
    settings,
    tar_keys,
)
from vta_stream import metrics
from vta_stream.ports import TerminalError


def test_a_video_becomes_rows_and_samples(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.register_pipeline_version("0a1b2c3d", '{"a": 1}')
    lake.open()
    accepted, refused = embedded(tmp_path, "-vid", 0, 2), rejected("-vid", 1, 2)
    result = lake.commit(logs.deliver(accepted, refused, done(tmp_path, "-vid", 2)))
    assert result.failures == {}
    assert result.finished_videos == ["-vid"]

    assert rows(tmp_path, "SELECT clip_id, accepted, split FROM clips ORDER BY clip_index") == [
        (accepted.clip_id, True, "train"),
        (refused.clip_id, False, "train"),
    ]
    assert rows(tmp_path, "SELECT filter, keep, count(*) FROM verdicts GROUP BY ALL ORDER BY ALL") == [
        ("clip_match", True, 2),
        ("motion", False, 1),
        ("motion", True, 1),
    ]
    assert rows(
        tmp_path, f"SELECT score, value, failure FROM scores WHERE clip_id = '{accepted.clip_id}' ORDER BY 1"
    ) == [
        ("clip_match", 0.3, None),
        ("motion", 1.5, None),
        ("sharpness", None, "no frame"),
    ]
    assert rows(tmp_path, "SELECT status, reason, clip_count, width_px FROM videos") == [("done", None, 2, 640)]
    assert rows(tmp_path, "SELECT cues[1].text, source FROM transcripts") == [
        ("A red circle moves.", "manual_subtitles")
    ]
    assert rows(tmp_path, "SELECT captioner, match FROM captions ORDER BY caption_index") == [
        ("transcript", 0.2),
        ("coca", 0.4),
    ]
    (embedding,) = rows(
        tmp_path,
        "SELECT dim, frame_count, len(clip_embedding), list_dot_product(clip_embedding, clip_embedding) "
        "FROM embeddings",
    )
    assert embedding[:3] == (8, 3, 8)
    assert embedding[3] == pytest.approx(1)
    assert rows(tmp_path, "SELECT pipeline_version, settings_json FROM pipeline_versions") == [("0a1b2c3d", '{"a": 1}')]
    assert dict(rows(tmp_path, "SELECT * FROM funnel")) == {
        "videos done": 1,
        "clips": 2,
        "clips accepted": 1,
        "clips rejected by motion": 1,
    }
    assert check_samples(tmp_path) == 2
    lake.close()


def test_words_scores_and_times_come_back_as_they_were(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    made = embedded(tmp_path, "vid")
    lake.commit(logs.deliver(made))
    ((words, scores, cut, judged),) = rows(tmp_path, "SELECT words, scores, cut, epoch(judged_at) FROM clips")
    assert words[2] == {"text": "circle", "start_s": 1.6, "end_s": 2.2, "probability": None}
    assert dict(scores) == dict(made.scores.values)
    assert cut["frame_count"] == 100
    assert judged == made.judged_at_s
    lake.close()


def test_full_shards_are_sealed_and_listed(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path, shard_samples_max=2), Logs()
    lake.open()
    clips = [embedded(tmp_path, "vid", index, 5) for index in range(5)]
    lake.commit(logs.deliver(*clips))
    assert check_samples(tmp_path) == 10
    folder = settings(tmp_path).dataset_dir / "shards"
    for layout in ("video-text", "embeddings"):
        train = folder / layout / "train"
        assert sorted(path.name for path in train.iterdir()) == [
            "shard-000000.tar",
            "shard-000001.tar",
            "shard-000002.tar.part",
        ]
        assert tar_keys(train / "shard-000001.tar") == [clips[2].clip_id, clips[3].clip_id]
        assert csv_rows(folder / layout / "splits.csv") == [
            ["shard", "split", "sample_count"],
            ["train/shard-000000.tar", "train", "2"],
            ["train/shard-000001.tar", "train", "2"],
        ]
    lake.close()


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        lake, logs = dataset(tmp_path / name, shard_samples_max=2), Logs()
        lake.open()
        lake.commit(logs.deliver(*(embedded(tmp_path / name, "vid", index, 2) for index in range(2))))
        lake.close()
        shards = settings(tmp_path / name).dataset_dir / "shards"
        contents.append({str(path.relative_to(shards)): path.read_bytes() for path in shards.rglob("*.tar")})
    assert len(contents[0]) == 2
    assert contents[0] == contents[1]


def test_an_old_shard_is_sealed_between_commits(tmp_path: Path) -> None:
    now_s = [1000.0]
    lake = dataset(tmp_path, shard_age_max_s=60)
    lake._clock = lake._shards._clock = lambda: now_s[0]
    lake.open()
    logs = Logs()
    lake.commit(logs.deliver(embedded(tmp_path, "vid", 0, 2)))
    lake.tick()
    assert rows(tmp_path, "SELECT DISTINCT state FROM shards") == [("open",)]
    now_s[0] += 60
    lake.tick()
    assert rows(tmp_path, "SELECT DISTINCT state FROM shards") == [("sealed",)]
    lake.commit(logs.deliver(embedded(tmp_path, "vid", 1, 2)))
    assert (
        rows(tmp_path, "SELECT shard_index, state FROM shards ORDER BY ALL") == [(0, "sealed")] * 2 + [(1, "open")] * 2
    )
    check_samples(tmp_path)
    lake.close()


def test_what_came_before_is_skipped_by_offset_and_by_id(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    deliveries = logs.deliver(embedded(tmp_path, "vid"), done(tmp_path, "vid"), dead("download", "other"))
    lake.commit(deliveries)
    media_store(tmp_path).remove_video("vid")
    by_offset, by_id = (metrics.STORE_REPEATS.labels(guard)._value.get() for guard in ("offset", "id"))

    assert lake.commit(deliveries).failures == {}
    assert metrics.STORE_REPEATS.labels("offset")._value.get() == by_offset + 3
    again = [delivery(d.record, d.topic, 100) for d in deliveries]
    assert lake.commit([*again, delivery(again[0].record, again[0].topic, 101)]).failures == {}
    assert metrics.STORE_REPEATS.labels("id")._value.get() == by_id + 4

    for table, count in (("clips", 1), ("samples", 2), ("videos", 2), ("dead_letters", 1), ("transcripts", 1)):
        assert rows(tmp_path, f"SELECT count(*) FROM {table}") == [(count,)]
    assert rows(tmp_path, "SELECT topic, next_offset FROM offsets ORDER BY 1") == [
        ("clips.embedded", 102),
        ("dead-letters", 101),
        ("videos.done", 101),
    ]
    lake.close()


def test_a_failed_record_holds_its_offset_back_until_the_next_commit(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    good = [embedded(tmp_path, "vid", index, 4) for index in range(4)]
    media_store(tmp_path).path(good[1].media.path).unlink()
    deliveries = logs.deliver(*good)
    result = lake.commit(deliveries[:3])
    assert {index: error.reason for index, error in result.failures.items()} == {1: "media_gone"}
    assert isinstance(result.failures[1], TerminalError)
    assert rows(tmp_path, "SELECT count(*), (SELECT max(next_offset) FROM offsets) FROM clips") == [(2, 1)]
    # If the process dies before the dead letter is out, it all comes again, and the failure with it.
    assert lake.commit(deliveries[:3]).failures.keys() == {1}
    assert rows(tmp_path, "SELECT count(*) FROM clips") == [(2,)]
    lake.commit(deliveries[3:])
    assert rows(tmp_path, "SELECT count(*), (SELECT max(next_offset) FROM offsets) FROM clips") == [(3, 4)]
    assert check_samples(tmp_path) == 6
    lake.close()


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda clip, store: store.path(clip.media.path).write_bytes(b"other"), "media_changed"),
        (lambda clip, store: store.path(clip.features.path).write_bytes(b"no arrays"), "broken_features"),
        (lambda clip, store: store.path(clip.features.path).unlink(), "media_gone"),
    ],
)
def test_media_that_are_not_what_was_promised_fail_their_clip_alone(tmp_path: Path, break_it, reason: str) -> None:  # type: ignore[no-untyped-def]
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    broken, whole = embedded(tmp_path, "vid", 0, 2), embedded(tmp_path, "vid", 1, 2)
    break_it(broken, media_store(tmp_path))
    failures = lake.commit(logs.deliver(broken, whole)).failures
    assert {index: error.reason for index, error in failures.items()} == {0: reason}
    assert check_samples(tmp_path) == 2
    lake.close()


def test_a_path_out_of_the_media_store_fails_its_clip(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    made = embedded(tmp_path, "vid")
    evil = replace(made, media=replace(made.media, path="../../etc/passwd"))
    assert lake.commit(logs.deliver(evil)).failures[0].reason == "bad_path"
    lake.close()


def test_odd_dead_letters_find_their_row(tmp_path: Path) -> None:
    lake, logs = dataset(tmp_path), Logs()
    lake.open()
    odd = [
        dead("download", None, None, 0, value="\0\ud800 it's"),
        dead("download", "../../etc", None, 1, message="x" * 100_000),
        dead("segment", "a\0b", "c\0d", 2, reason=""),
        dead("score", "vid", "no-such-clip", 3, partition=1 << 40, failed_at_s=float("nan"), attempt=-(1 << 70)),
        dead("score", "vid", None, 1 << 70, failed_at_s=1e300),
        dead("score", "vid", None, 5, failed_at_s=float("inf")),
    ]
    assert lake.commit(logs.deliver(*odd)).failures == {}
    assert rows(tmp_path, "SELECT count(*) FROM dead_letters") == [(6,)]
    assert rows(tmp_path, "SELECT input_value FROM dead_letters WHERE input_value LIKE '␀%'") == [("␀? it's",)]
    assert rows(tmp_path, "SELECT video_id, status FROM videos") == [("vid", "failed")]
    lake.close()
