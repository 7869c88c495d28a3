"""The bytes of one sample against what the rows of its clip say."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any, cast

from vta_stream.domain.sample import Sample, Split
from vta_stream.stores.shards import END, tar_bytes
from vta_stream.stores.verifying.snapshot import Placed

MEMBERS = {"video-text": ("mp4", "txt", "json"), "embeddings": ("npy", "txt", "json")}
"""The members of a sample, in their order, by layout."""
MEAN_TOLERANCE = 1e-3
"""How far a clip's embedding may be from the mean of its frames': they are float16, and machines add differently."""


def read_members(content: bytes) -> dict[str, bytes]:
    """The members of a stretch of a tar file, by name; ValueError if it is none, or has one twice."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content + END), mode="r:") as archive:
            for info in archive:
                file = archive.extractfile(info)
                if file is None or info.name in found:
                    raise ValueError(f"{info.name[:80]!r} is no file, or is there twice")
                found[info.name] = file.read()
    except tarfile.TarError as error:
        raise ValueError(str(error)) from error
    return found


def as_sample(placed: Placed, content: bytes) -> Sample:
    """The sample in these bytes; ValueError with the reason if they are not exactly one sample of this key."""
    members = read_members(content)
    wanted = [f"{placed.clip_id}.{extension}" for extension in MEMBERS.get(placed.layout, ())]
    if list(members) != wanted:
        raise ValueError(f"its members are {', '.join(members) or 'none'}; {', '.join(wanted)} are expected")
    parts = {name.removeprefix(f"{placed.clip_id}."): part for name, part in members.items()}
    sample = Sample(placed.clip_id, cast(Split, placed.split), parts)
    if tar_bytes(sample) != content:
        raise ValueError("its tar headers or its padding are not as they were written")
    return sample


def check_sample(placed: Placed, content: bytes) -> None:
    """ValueError with the reason if the bytes are not what was written for this row.

    The mp4 has its SHA-256 in `clips`. The array has its shape and its mean in `embeddings`, and text and JSON
    repeat columns of `clips`, so a change there is found, if not to the last bit of the JSON.
    """
    sample = as_sample(placed, content)
    clip = placed.clip
    if clip is None:
        return  # without its clip's row there is nothing to compare with; that is a finding of its own
    if "mp4" in sample.members:
        found = hashlib.sha256(sample.members["mp4"]).hexdigest()
        if found != clip["sha256"]:
            raise ValueError(f"the SHA-256 of its mp4 is {found[:12]}…, not {str(clip['sha256'])[:12]}…")
    if "npy" in sample.members and placed.made is not None:
        _check_array(sample.members["npy"], placed.made)
    _check_facts(sample.members["txt"], sample.members["json"], placed, clip)


def _check_array(content: bytes, made: dict[str, Any]) -> None:
    import numpy as np

    frames = np.load(io.BytesIO(content), allow_pickle=False)
    if frames.dtype != np.float16 or frames.shape != (made["frame_count"], made["dim"]):
        raise ValueError(
            f"its array is {frames.dtype} {frames.shape}, not float16 ({made['frame_count']}, {made['dim']})"
        )
    mean = frames.astype(np.float32).mean(axis=0)
    length = float(np.linalg.norm(mean))
    stored = np.asarray(made["clip_embedding"], np.float32)
    if stored.shape != mean.shape or not np.allclose(mean / (length or 1.0), stored, atol=MEAN_TOLERANCE):
        raise ValueError("the mean of its array is not the clip's embedding")


def _check_facts(text: bytes, facts: bytes, placed: Placed, clip: dict[str, Any]) -> None:
    try:
        found = json.loads(facts)
        said = text.decode()
    except ValueError as error:
        raise ValueError(f"its text or JSON cannot be read: {error}") from error
    wanted = {"clip_id": placed.clip_id, "split": placed.split, **clip}
    for name, value in wanted.items():
        if not isinstance(found, dict) or found.get(name) != value:
            raise ValueError(f"its JSON does not say {name} = {str(value)[:60]!r}")
    if said != (clip["text"] or found.get("caption")):
        raise ValueError("its text is neither what is said nor its caption")
