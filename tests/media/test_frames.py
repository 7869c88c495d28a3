"""Sampled frames: written and read back, and hostile files refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from vta_stream.media import frames
from vta_stream.media.frames import read_frames, write_frames
from vta_stream.ports import TerminalError, TransientError


def _picture(seed: int, height: int = 36, width: int = 64) -> npt.NDArray[np.uint8]:
    ramp = np.linspace(0, 255 - seed, width, dtype=np.uint8)
    return np.stack([np.tile(ramp, (height, 1)), np.full((height, width), seed), np.zeros((height, width))], 2).astype(
        np.uint8
    )


def _jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    pictures = [_picture(10), _picture(90), _picture(200)]
    write_frames(tmp_path / "a.npz", [0.0, 0.5, 1.25], [_jpeg(picture) for picture in pictures])
    times_s, images = read_frames(tmp_path / "a.npz")
    assert times_s.tolist() == [0.0, 0.5, 1.25]
    for picture, image in zip(pictures, images, strict=True):
        assert image.shape == (36, 64, 3)
        assert np.abs(image.astype(int) - picture).mean() < 2


def test_same_frames_make_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_frames(tmp_path / f"{name}.npz", [0.0], [_jpeg(_picture(7))])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_reads_it_without_pickle(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.npz", [1.0, 2.0], [_jpeg(_picture(1)), _jpeg(_picture(2))])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive.files == ["times_s", "jpeg_0000", "jpeg_0001"]
        assert archive["jpeg_0001"].dtype == np.uint8


def test_no_frames_are_a_valid_file(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.npz", [], [])
    times_s, images = read_frames(tmp_path / "a.npz")
    assert len(times_s) == 0
    assert images == []


def test_times_and_frames_have_to_match(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 times and 1 frames"):
        write_frames(tmp_path / "a.npz", [0.0, 1.0], [_jpeg(_picture(1))])


def test_missing_file_is_transient(tmp_path: Path) -> None:
    with pytest.raises(TransientError) as error:
        read_frames(tmp_path / "gone.npz")
    assert error.value.reason == "media_gone"


def _npy(array: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("pickle ran",)


def _zip_with(path: Path, times: bytes, jpeg: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("times_s.npy", times)
        archive.writestr("jpeg_0000.npy", jpeg)


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", pickle.dumps(_Evil()), b"PK\x03\x04 broken", _npy(np.array([1.0]))]
)
def test_other_files_are_damaged(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(TerminalError) as error:
        read_frames(tmp_path / "a.npz")
    assert error.value.reason == "frames_damaged"
    assert capsys.readouterr().out == ""


def test_objects_are_not_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _zip_with(tmp_path / "a.npz", _npy(np.array([0.0])), _npy(np.array([_Evil()], dtype=object)))
    with pytest.raises(TerminalError, match="sampled frames"):
        read_frames(tmp_path / "a.npz")
    assert capsys.readouterr().out == ""


def test_bombs_and_other_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    png = io.BytesIO()
    Image.fromarray(_picture(3)).save(png, "PNG")
    _zip_with(tmp_path / "png.npz", _npy(np.array([0.0])), _npy(np.frombuffer(png.getvalue(), dtype=np.uint8)))
    write_frames(tmp_path / "big.npz", [0.0], [_jpeg(_picture(3))])
    monkeypatch.setattr(frames, "PIXELS_MAX", 1000)
    for name in ("png.npz", "big.npz"):
        with pytest.raises(TerminalError, match="sampled frames"):
            read_frames(tmp_path / name)
