"""A built corpus as the demo takes it: which one travels in the package, how it is served, and the settings for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.truth import CorpusTruth, VideoTruth

SHIPPED = Path(__file__).parent / "corpora" / "demo"
"""Made by `vta-stream toyworld build FOLDER --longest 30`."""

HEARING = Path(__file__).parent / "models" / "hearing"
SIGHT = Path(__file__).parent / "models" / "sight"

REST_S = 2
"""So long the server asks to be left alone where it is asked too often."""

_CUT_BYTES = 100_000


def served_urls(truth: CorpusTruth, base_url: str) -> dict[str, str]:
    """URL -> name of the video, for each video of a corpus whose folder a `ToyServer` serves under `base_url`.

    A video with subtitles comes as a web page with a subtitle track, any other as the bare file. What the truth says
    of the server is asked for in the URL: removed (410) and forbidden (403) always, rate-limited (429) and cut off
    until it was tried once.
    """
    return {_url(video, base_url): video.name for video in truth.videos}


def demo_settings(data_dir: Path) -> dict[str, Any]:
    """Settings for the small models and a server on loopback; every filter is as it is by default."""
    return {
        "data_dir": str(data_dir),
        "log_level": "INFO",
        "metrics": {"port": 0},
        "download": {
            "url_hosts": ["127.0.0.1"],
            "allow_private_networks": True,
            "youtube": False,
            "requests_per_hour": 100_000,
        },
        "transcribe": hearing_settings(HEARING),
        "models": {"image_text": {"name": str(SIGHT)}, "captions": {"name": str(SIGHT)}, "threads": 1},
        "store": {"shard_samples_max": 8},
    }


def hearing_settings(folder: Path) -> dict[str, Any]:
    """Settings of `transcribe` for the small Whisper of that folder.

    One beam: with five it heard the same words, and took longer.
    """
    return {"model": str(folder), "beam_size": 1}


def _url(video: VideoTruth, base_url: str) -> str:
    path = _path(video)
    if video.subtitles is None:
        return f"{base_url}/{path}"
    return f"{base_url}/page/{video.name}?{urlencode({'subtitles': video.subtitles, 'language': 'en', 'source': path})}"


def _path(video: VideoTruth) -> str:
    match video.defect:
        case Defect.REMOVED:
            return f"status/410/{video.name}"
        case Defect.FORBIDDEN:
            return f"status/403/{video.name}"
        case Defect.RATE_LIMITED:
            return f"status/429/{video.name}?times=1&retry_after={REST_S}"
        case Defect.CUT_OFF:
            # yt-dlp's first request for a bare file only looks at its beginning, and does not notice the end
            return f"cut/{_CUT_BYTES}/{video.name}?times={2 if video.subtitles is None else 1}"
        case _:
            return video.name
