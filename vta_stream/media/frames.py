"""The sampled frames of one clip: one `.npz` of JPEGs, so that nobody decodes the video again."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vta_stream.ports import TerminalError, TransientError

FRAMES_MAX = 4096
PIXELS_MAX = 4096 * 4096
"""A sampled frame is small; what claims more is no frame of ours but a decompression bomb."""

_TIMES = "times_s"

_UNREADABLE = (
    ValueError,
    TypeError,  # a bare `.npy`, which is no archive
    KeyError,
    EOFError,
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


def write_frames(path: Path, times_s: Sequence[float], jpegs: Sequence[bytes]) -> None:
    """Write `times_s` (seconds of the video, ascending) and one JPEG each to an uncompressed `.npz`.

    Members: `times_s` float64, then `jpeg_0000`… uint8. The same input gives the same bytes. No frames
    at all make a valid file too. ValueError if the lengths differ.
    """
    if len(times_s) != len(jpegs) or len(jpegs) > FRAMES_MAX:
        raise ValueError(f"{len(times_s)} times and {len(jpegs)} frames; as many are needed, at most {FRAMES_MAX}")
    arrays: dict[str, npt.NDArray[np.float64] | npt.NDArray[np.uint8]] = {
        _TIMES: np.asarray(times_s, dtype=np.float64),
        **{_name(index): np.frombuffer(jpeg, dtype=np.uint8) for index, jpeg in enumerate(jpegs)},
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            # ZipInfo's default date is constant, where np.savez would write the clock's.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())


def read_frames(path: Path) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.uint8]]]:
    """The times in seconds of the video, and the frames as RGB uint8 (height, width, 3), in time order.

    Raises TransientError `media_gone` if there is no file, TerminalError `frames_damaged` if it is not
    what `write_frames` writes, or too large to be.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            times_s = archive[_TIMES]
            if times_s.dtype != np.float64 or times_s.ndim != 1 or len(times_s) > FRAMES_MAX:
                raise ValueError(f"times are {times_s.dtype} {times_s.shape}")
            return times_s, [_decode(archive[_name(index)].tobytes()) for index in range(len(times_s))]
    except FileNotFoundError as error:
        raise TransientError("media_gone", f"{path.name} is not there any more") from error
    except _UNREADABLE as error:
        raise TerminalError("frames_damaged", f"{path.name} does not hold sampled frames: {error}") from error


def _name(index: int) -> str:
    return f"jpeg_{index:04d}"


def _decode(jpeg: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        if image.width * image.height > PIXELS_MAX:
            raise ValueError(f"a frame of {image.width}x{image.height} pixels")
        return np.asarray(image.convert("RGB"), dtype=np.uint8)
