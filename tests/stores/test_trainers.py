"""Shards load, unchanged, in the libraries that trainers use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stores.lakes import DIM, FRAMES, Logs, dataset, embedded, settings
from vta_stream.domain.scores import Scores


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips as different as they may be: without text, words, captions, language or scores."""
    folder = tmp_path_factory.mktemp("trainers")
    lake = dataset(folder, shard_samples_max=3)
    lake.open()
    clips = [embedded(folder, "-vid", index, 6) for index in range(6)]
    clips[0] = replace(clips[0], text="", words=(), language=None, captions=(), scores=Scores())
    clips[1] = replace(clips[1], text="")
    clips[4] = replace(clips[4], text="日本語 \n second line", captions=clips[4].captions[:1])
    lake.commit(Logs().deliver(*clips))
    lake.close()
    return settings(folder).dataset_dir / "shards"


def test_webdataset_reads_both_layouts(shards: Path) -> None:
    import webdataset

    def read(layout: str, *members: str) -> list[Any]:
        urls = sorted(str(path) for path in (shards / layout / "train").glob("*.tar"))
        pipeline = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False)
        return list(pipeline.decode().to_tuple("__key__", *members))

    samples = read("video-text", "mp4", "txt", "json")
    assert [key for key, *_ in samples] == [facts["clip_id"] for *_, facts in samples]
    assert len(samples) == 6
    assert samples[2][1].startswith(b"mp4 of -vid_000020000")
    assert samples[0][2] == ""
    assert samples[1][2] == "a circle", "without speech, the caption that fits best"
    assert samples[4][2] == "日本語 \n second line"
    assert json.loads(samples[2][3]["scores_json"]) == {"clip_match": 0.3, "motion": 1.5}

    embeddings = read("embeddings", "npy", "txt", "json")
    assert {array.shape for _, array, *_ in embeddings} == {(FRAMES, DIM)}
    assert {array.dtype for _, array, *_ in embeddings} == {np.dtype(np.float16)}
    assert [row[2:] for row in embeddings] == [row[2:] for row in samples]


def test_every_json_has_the_same_keys_and_types_and_no_null(shards: Path) -> None:
    import tarfile

    shapes = set()
    for path in shards.rglob("*.tar"):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".json"):
                    facts = json.load(archive.extractfile(member))  # type: ignore[arg-type]
                    shapes.add(tuple((name, type(value).__name__) for name, value in facts.items()))
    (shape,) = shapes
    assert {kind for _, kind in shape} == {"str", "int", "float"}


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["video-text", "embeddings"])
def test_hugging_face_datasets_reads_both_layouts(
    shards: Path, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    files = sorted(str(path) for path in (shards / layout / "train").glob("*.tar"))
    loaded = datasets.load_dataset(
        "webdataset", data_files={"train": files}, split="train", cache_dir=str(tmp_path / "cache")
    )
    member = "mp4" if layout == "video-text" else "npy"
    assert set(loaded.column_names) == {member, "txt", "json", "__key__", "__url__"}
    assert loaded.num_rows == 6
    assert loaded.features["json"]["start_s"].dtype == "float64"
    assert loaded.features["json"]["scores_json"].dtype == "string"
    facts = loaded.with_format("arrow")[:].column("json").to_pylist()
    assert [row["clip_index"] for row in facts] == [0, 1, 2, 3, 4, 5]
    assert all(value is not None for row in facts for value in row.values())
    if layout == "embeddings":
        assert np.asarray(loaded[0]["npy"]).shape == (FRAMES, DIM)
    else:
        undecoded = loaded.cast_column("mp4", datasets.Video(decode=False))
        assert undecoded[3]["mp4"]["bytes"].startswith(b"mp4 of -vid_000030000")


def test_a_sample_key_with_a_dot_is_refused() -> None:
    from vta_stream.domain.sample import Sample
    from vta_stream.stores.shards import tar_bytes

    with pytest.raises(ValueError, match="not a key"):
        tar_bytes(Sample("a.b", "train", {"txt": b""}))


def test_long_names_fit() -> None:
    import io
    import tarfile

    from vta_stream.domain.sample import Sample
    from vta_stream.stores.shards import END, tar_bytes

    key = "k" * 180
    with tarfile.open(fileobj=io.BytesIO(tar_bytes(Sample(key, "train", {"txt": b"x"})) + END)) as archive:
        assert archive.getnames() == [f"{key}.txt"]
