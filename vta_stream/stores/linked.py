"""A second media folder with the same files of one video, for work that must not touch the first."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vta_stream.domain.ids import check_video_id


def link_video(root: Path, target: Path, video_id: str, *, without: str) -> None:
    """Put the video's finished artifacts of the media folder `root` into `target`, but those of the stage `without`.

    They are hard links, so it costs no room, and removing either leaves the other; where links are refused
    they are copies. It is safe because nothing in a media folder is ever written to again once it has its
    name. A video without files gives an empty folder, and a file that goes away meanwhile is left out.
    """
    source = root / check_video_id(video_id)
    (target / video_id).mkdir(parents=True, exist_ok=True)
    for artifact in sorted(source.glob("*")):
        if artifact.name.startswith(f"{without}-") or artifact.name.endswith(".part") or artifact.is_symlink():
            continue
        for place, _, names in os.walk(artifact):
            folder = target / Path(place).relative_to(root)
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                _link(Path(place) / name, folder / name)


def _link(file: Path, copy: Path) -> None:
    try:
        copy.hardlink_to(file)
    except FileNotFoundError:
        return  # its video ended meanwhile; the stage will say that it is gone
    except OSError:
        shutil.copyfile(file, copy)
