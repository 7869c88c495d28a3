"""Pictures of clips show what the clips show."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media.synthetic import counting, number_of
from tests.stores.lakes import Logs, dataset, done, embedded, media_store, rejected, settings
from vta_stream.domain.clip import Clip, Span
from vta_stream.domain.video import MediaFile
from vta_stream.report.dataset import read_dataset
from vta_stream.report.pictures import FRAME_WIDTH_PX, sample_pictures, video_pictures
from vta_stream.stores.reader import open_reader

RATE = Fraction(25)


def numbers(jpeg: bytes) -> list[int]:
    """The numbers of the frames that a strip shows."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        strip = np.asarray(picture)
    step = (strip.shape[1] + 2) // 3
    assert step == FRAME_WIDTH_PX + 2
    return [number_of(strip[:, index * step : index * step + FRAME_WIDTH_PX]) for index in range(3)]


def test_frames_of_a_span_are_those_on_screen_then(tmp_path: Path) -> None:
    path = counting(tmp_path / "a.mp4", 200, RATE)
    strips = list(video_pictures(path, [Span(0.0, 1.0), Span(2.0, 6.0), Span(7.0, 8.0)]))
    assert [numbers(strip) for strip in strips] == [[2, 12, 22], [60, 100, 140], [177, 187, 197]]


def test_a_span_behind_the_end_shows_the_last_frame(tmp_path: Path) -> None:
    path = counting(tmp_path / "a.mp4", 50, RATE)
    (strip,) = video_pictures(path, [Span(5.0, 6.0)])
    assert numbers(strip) == [49, 49, 49]


def with_media(folder: Path, video_id: str, index: int, first: int) -> Clip:
    """An accepted clip of 4 s whose frames count from `first`."""
    made = embedded(folder, video_id, index, 3)
    path = media_store(folder).root / made.media.path
    counting(path, 100, RATE, first)
    content = path.read_bytes()
    media = MediaFile(made.media.path, len(content), hashlib.sha256(content).hexdigest())
    return dataclasses.replace(made, media=media)


@pytest.mark.parametrize("shard_samples_max", [1, 100])
def test_pictures_of_samples_come_out_of_sealed_and_open_shards(tmp_path: Path, shard_samples_max: int) -> None:
    lake = dataset(tmp_path, shard_samples_max=shard_samples_max)
    lake.open()
    clips = [with_media(tmp_path, "vid-1", 0, 1000), with_media(tmp_path, "vid-1", 1, 2000), rejected("vid-1", 2, 3)]
    lake.commit(Logs().deliver(*clips, done(tmp_path, "vid-1", 3)))
    chosen = settings(tmp_path)
    with open_reader(chosen) as reader:
        found = dict(sample_pictures(reader, chosen.dataset_dir, [clip.clip_id for clip in clips]))
        some = dict(sample_pictures(reader, chosen.dataset_dir, [clips[1].clip_id]))
        shown = read_dataset(reader)
    assert set(found) == {clip.clip_id for clip in clips[:2]}
    for clip, first in zip(clips, (1000, 2000), strict=False):  # the header claims a frame less than there are
        assert numbers(found[clip.clip_id]) == pytest.approx([first + 10, first + 50, first + 90], abs=1)
    assert list(some) == [clips[1].clip_id]

    assert [(video.video_id, video.status) for video in shown.videos] == [("vid-1", "done")]
    assert [clip.clip_id for clip in shown.accepted] == [clip.clip_id for clip in clips[:2]]
    (out,) = shown.rejected
    assert (out.verdicts, out.refusals) == (clips[2].verdicts, clips[2].verdicts[1:])
    assert shown.clips[0].captions == clips[0].captions
    assert (shown.clips[0].span, shown.clips[0].text) == (clips[0].span, clips[0].text)
    assert shown.clips[0].failures == {"sharpness": "no frame"}
