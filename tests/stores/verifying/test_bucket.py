"""A dataset in a bucket: a good one is clean, each damage is named, and a repair mends what it says that it mends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.s3_process import S3Process
from tests.stores.backends import Backend
from tests.stores.verifying.bucket_damages import A01, LOST, LOST_CLIPS, MENDED, Damage, put, stranger
from tests.stores.verifying.bucket_worlds import Stored, copy_to, fill
from tests.stores.verifying.damages import A1
from vta_stream.cli import main
from vta_stream.ports import TransientError
from vta_stream.stores.bucket import Bucket
from vta_stream.stores.reader import DatasetError
from vta_stream.stores.verifying import KINDS, Report
from vta_stream.stores.verifying.snapshot import Snapshot

_TEMPLATES: dict[str, Stored] = {}


@pytest.fixture
def copied(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, s3: S3Process) -> Stored:
    """A dataset that was copied into another bucket: its catalog does not know yet."""
    if s3.endpoint not in _TEMPLATES:
        _TEMPLATES[s3.endpoint] = fill(Backend(tmp_path_factory.mktemp("template")).put_files(s3))
    return copy_to(_TEMPLATES[s3.endpoint], tmp_path, s3)


@pytest.fixture
def whole(copied: Stored) -> Stored:
    """A dataset in which nothing is wrong yet."""
    copied.correct_data_path()
    return copied


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def test_a_good_dataset_is_clean_to_the_last_byte(whole: Stored) -> None:
    report = whole.check()
    assert (report.findings, report.notes) == ([], [])
    sizes = {key: size for key, size in whole.bucket.objects("shards") if key.endswith(".tar")}
    assert report.checked["shards"] == len(sizes) == 10
    assert report.checked["samples"] == 14
    assert report.checked["bytes"] == sum(sizes.values()) - len(sizes) * 1024


def test_a_merged_dataset_is_clean_and_what_waits_to_be_removed_is_known(whole: Stored) -> None:
    before = whole.keys("tables")
    lake = whole.place.dataset(maintenance_interval_s=1.0)
    lake.open()
    lake._tidied_at_s = 0.0
    assert lake.tick()
    lake.close()
    assert whole.keys("tables") - before, "merged files"
    assert whole.found() == []


def test_a_dataset_that_was_copied_is_read_where_it_is(copied: Stored) -> None:
    report = copied.check()
    assert [(finding.kind, finding.place) for finding in report.findings] == [("moved", "tables")]
    assert report.checked["samples"] == 14
    assert copied.repair().after.findings == []


def plant(stored: Stored, damages: Sequence[Damage]) -> list[tuple[str, str]]:
    """Returns what has to be found."""
    for damage in damages:
        damage.plant(stored)
    return sorted(finding for damage in damages for finding in damage.expected)


def told(report: Report) -> list[tuple[str, str]]:
    return sorted((finding.kind, finding.place) for finding in report.findings)


@pytest.mark.slow
def test_what_is_only_untidy_is_found_and_mended(whole: Stored) -> None:
    expected = plant(whole, MENDED)
    samples = "SELECT clip_id, layout, split, size_bytes FROM samples ORDER BY ALL"
    before = whole.rows(samples)
    repaired = whole.repair()
    assert told(repaired.before) == expected
    assert (repaired.after.findings, repaired.left) == ([], ())
    assert whole.rows(samples) == before
    assert whole.place.check_samples() == 14
    assert (whole.folder / "quarantine").is_dir(), "what lay on this machine"


@pytest.mark.slow
def test_what_is_lost_is_named_and_dropped_only_when_that_is_said(whole: Stored) -> None:
    expected = plant(whole, LOST)
    repaired = whole.repair()
    assert told(repaired.before) == expected
    assert {clip_id for finding in repaired.before.findings for clip_id in finding.clips} == LOST_CLIPS
    assert kinds(repaired.after) == {kind for kind, _ in expected if KINDS[kind].mend != "repair"}
    dropped = whole.repair(drop_lost=True)
    assert (dropped.after.findings, dropped.left) == ([], ())
    assert [video for line in dropped.submit for video in ("vid-a", "vid-b", "vid-e") if video in line] == [
        "vid-a", "vid-b", "vid-e"
    ]  # fmt: skip
    assert whole.place.check_samples() == 14 - 2 * len(LOST_CLIPS)


@pytest.mark.slow
def test_nothing_is_deleted_and_a_writer_goes_on(whole: Stored) -> None:
    foreign = "shards/video-text/train/shard-000009-1.tar"
    put(foreign, b"not ours")(whole)
    stranger(A01)(whole)
    old = whole.read(A01)
    repaired = whole.repair()
    kept = {key.split("/", 2)[2]: key for key in whole.keys("quarantine")}
    assert whole.read(kept[foreign]) == b"not ours"
    assert whole.read(kept[A01]) == old
    assert whole.keys("shards").isdisjoint((foreign, A01))
    assert any(f"{foreign}: moved to {whole.bucket.url}/quarantine/" in line for line in repaired.done)
    whole.commit_more()
    assert whole.check().findings == []
    assert whole.place.check_samples() == 16


def test_a_shard_with_a_damaged_sample_is_not_written_anew_and_that_is_said(whole: Stored) -> None:
    """The second sample is said to lie 512 bytes further on: a gap, and neither its bytes nor the shard's end fit."""
    whole.run_sql(f"UPDATE samples SET offset_bytes = offset_bytes + 512 WHERE clip_id = '{A1}' AND size_bytes = 5120")
    repaired = whole.repair()
    assert kinds(repaired.before) == {"unnamed_bytes", "sample_damaged", "shard_count", "shard_end"}
    (line,) = repaired.left
    assert line.startswith(f"{A01}: not written anew, because its sample {A1} is damaged")
    assert "sample_damaged" in kinds(repaired.after)
    assert whole.repair(drop_lost=True).after.findings == []
    assert whole.place.check_samples() == 12, "the clip's embeddings are dropped with it"


def table_file(stored: Stored, table: str) -> str:
    return min(stored.keys(f"tables/main/{table}"))


@pytest.mark.parametrize("table", ["clips", "writer"])
def test_a_table_file_that_is_gone_is_named_and_nothing_is_touched(whole: Stored, table: str) -> None:
    file = max(whole.keys(f"tables/main/{table}"))  # the newest: of the table writer only that is live
    whole.bucket.delete([file])
    before = whole.bucket.objects("")
    repaired = whole.repair(drop_lost=True)
    assert [(f.kind, f.place) for f in repaired.before.findings] == [("table_file_missing", file)]
    assert repaired.done == ()
    assert "nothing more is touched" in repaired.left[0]
    assert sorted(before) == sorted(whole.bucket.objects(""))


def test_a_table_file_that_was_cut_or_changed_is_named(whole: Stored) -> None:
    cut, changed = table_file(whole, "captions"), table_file(whole, "transcripts")
    whole.bucket.put(cut, whole.read(cut)[:-7])
    old = whole.read(changed)
    whole.bucket.put(changed, old[:4] + b"\xff" * 196 + old[200:])
    assert whole.found() == [("table_file_damaged", cut), ("table_file_damaged", "tables/main/transcripts")]


def test_without_its_mark_nothing_is_mended(whole: Stored) -> None:
    identity = whole.read("dataset.json").decode()
    whole.bucket.delete(["dataset.json"])
    put("shards/foreign")(whole)
    repaired = whole.repair()
    assert [f.kind for f in repaired.before.findings] == ["mark_missing", "unknown_shard_file"]
    assert identity in repaired.before.findings[0].detail
    assert (repaired.done, len(repaired.left)) == ((), 1)
    assert "shards/foreign" in whole.keys("shards")


def test_another_place_is_not_looked_at(whole: Stored, copied: Stored, s3: S3Process, tmp_path: Path) -> None:
    other = Stored(Backend(tmp_path).put_files(s3))
    for act in (other.check, other.repair):
        with pytest.raises(DatasetError, match=r"dataset\.json is missing"):
            act()
    other.bucket.put("dataset.json", b'{"catalog": "of somebody else"}')
    for act in (other.check, other.repair):
        with pytest.raises(DatasetError, match="holds the files of another dataset"):
            act()
    assert other.keys("") == {"dataset.json"}


@pytest.mark.parametrize(("owner", "name"), [(Snapshot, "copy"), (Bucket, "get_range")], ids=["tables", "shards"])
def test_a_server_that_stops_in_the_middle_is_no_finding(
    own_s3: S3Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    stored = fill(Backend(tmp_path).put_files(own_s3))
    method = getattr(owner, name)

    def stop_first(self: object, *arguments: object) -> object:
        own_s3.stop()
        return method(self, *arguments)

    monkeypatch.setattr(owner, name, stop_first)
    with pytest.raises(TransientError) as caught:
        stored.check()
    assert caught.value.reason == "s3_unreachable"


def test_the_command_checks_what_lies_in_a_bucket(whole: Stored, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(json.dumps({"store": whole.place.store}))

    def verify(*options: str) -> tuple[int, dict[str, object]]:
        result = CliRunner().invoke(main, ["-s", str(file), "-d", str(tmp_path), "verify", "--json", *options])
        return result.exit_code, json.loads(result.stdout)

    code, told = verify()
    assert (code, told["clean"]) == (0, True)
    put("shards/foreign")(whole)
    assert verify()[0] == 1
    code, told = verify("--repair")
    assert (code, told["clean"], told["not_mended"]) == (0, True, [])
    assert f"shards/foreign: moved to {whole.bucket.url}/quarantine/" in str(told["mended"])
