"""A folder with all that the demo needs: videos, models, settings, and the URLs to publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from vta_stream.domain.ids import video_id_of_url
from vta_stream.toyworld.videos import Defect, ToyVideo, make_videos

Say = Callable[[str], None]

MODELS = ("clip", "coca", "whisper")


@dataclass(frozen=True, slots=True)
class Corpus:
    """`videos` were drawn; `settings_file` makes `vta-stream` work on this folder."""

    folder: Path
    settings_file: Path
    videos: tuple[ToyVideo, ...]

    def urls(self, base_url: str) -> dict[str, Defect | str]:
        """The URLs to publish when the videos are served under `base_url`, each with what is wrong with it.

        Videos come as web pages with a subtitle track. One more was removed, and one is forbidden.
        """
        wrong: dict[str, Defect | str] = {}
        for video in self.videos:
            name, subtitles = video.path.name, video.path.with_suffix(".en.vtt")
            track = f"?{urlencode({'subtitles': subtitles.name, 'language': 'en'})}" if subtitles.exists() else ""
            wrong[f"{base_url}/page/{name}{track}"] = video.defect
        wrong[f"{base_url}/status/404/removed.mp4"] = "removed"
        wrong[f"{base_url}/status/403/forbidden.mp4"] = "forbidden"
        return wrong


def video_ids(urls: Mapping[str, str]) -> dict[str, str]:
    """Video ID -> what is wrong with it."""
    return {video_id_of_url(url): defect for url, defect in urls.items()}


def make_corpus(folder: Path, count: int, seed: int, say: Say) -> Corpus:
    """Draw `count` videos and make the models and the settings; `say` gets a line before each step."""
    say(f"drawing {count} short videos of moving shapes, with subtitles")
    videos = make_videos(folder / "videos", count, seed)
    say("making small models in the real formats; they are untrained, so their scores mean nothing yet")
    make_models(folder / "models")
    settings_file = folder / "settings.yaml"
    settings_file.write_text(
        "# Made by `vta-stream demo`; use it with: vta-stream -s THIS_FILE COMMAND\n"
        + yaml.safe_dump(demo_settings(folder), sort_keys=False),
        encoding="utf-8",
    )
    return Corpus(folder, settings_file, videos)


def make_models(folder: Path) -> None:
    """One folder a model in `MODELS`, under `folder`."""
    from vta_stream.toyworld.tiny_open_clip import make_tiny_clip, make_tiny_coca
    from vta_stream.toyworld.tiny_whisper import make_tiny_whisper

    for name, make in zip(MODELS, (make_tiny_clip, make_tiny_coca, make_tiny_whisper), strict=True):
        make(folder / name)


def demo_settings(folder: Path) -> dict[str, Any]:
    """Settings for this folder. The filters that trust a model are off, since untrained models know nothing."""
    models = folder.absolute() / "models"
    return {
        "data_dir": str(folder.absolute() / "data"),
        "log_level": "INFO",
        "metrics": {"port": 0},
        "download": {
            "url_hosts": ["127.0.0.1"],
            "allow_private_networks": True,
            "youtube": False,
            "requests_per_hour": 100_000,
        },
        "transcribe": {"model": str(models / "whisper")},
        "models": {
            "image_text": {"name": str(models / "clip")},
            "captions": {"name": str(models / "coca")},
            "threads": 1,
        },
        "store": {"shard_samples_max": 8},
        "filters": {"clip_match": None, "caption_match": None},
    }
