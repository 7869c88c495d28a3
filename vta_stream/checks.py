"""What `vta-stream doctor` looks at. Each check is one function and answers with findings; none changes anything."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vta_stream.models import hub, saved
from vta_stream.models.base import LOCAL, resolve
from vta_stream.models.whisper_weights import REQUIRED, repository_of, revision_of
from vta_stream.settings import Settings
from vta_stream.settings.work import ModelSettings

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: `remedy` is a command or a setting, None where all is well."""

    subject: str
    state: Literal["good", "warning", "broken"]
    message: str
    remedy: str | None = None


def run_checks(settings: Settings) -> Iterator[Finding]:
    """All findings, in the order of the pipeline."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        check_broker,
        check_programs,
        check_speech_model,
        check_torch_models,
        check_disk,
        check_catalog,
    )
    for check in checks:
        yield from check(settings)


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Does each bootstrap server accept a connection?"""
    servers = settings.kafka.bootstrap_servers
    if servers is None:
        yield Finding("broker", "good", "none is set: `vta-stream run` starts the embedded one")
        return
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
        except (OSError, ValueError) as error:
            yield Finding(
                "broker", "broken", f"{server.strip()} cannot be reached: {error}",
                "start it (`make kafka` starts one on 127.0.0.1:9092), or mend kafka.bootstrap_servers",
            )  # fmt: skip
        else:
            yield Finding("broker", "good", f"{server.strip()} accepts connections")


def check_programs(_settings: Settings) -> Iterator[Finding]:
    """ffmpeg for yt-dlp's merging, and a JavaScript runtime for YouTube."""
    from vta_stream.sources.ytdlp import javascript_runtime

    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg:
        yield Finding("ffmpeg", "good", ffmpeg)
    else:
        yield Finding("ffmpeg", "broken", "not found; yt-dlp merges video and sound with it", "apt-get install ffmpeg")
    runtime = javascript_runtime()
    if runtime:
        yield Finding("JavaScript runtime", "good", runtime)
    else:
        yield Finding(
            "JavaScript runtime", "warning", "not found; YouTube cannot be read without one", "pip install 'deno>=2'"
        )


def check_speech_model(settings: Settings) -> Iterator[Finding]:
    """Is the Whisper model a CTranslate2 folder, or in the hub's cache?"""
    name, subject = settings.transcribe.model, "model transcribe.model"
    if not name:
        yield Finding(subject, "good", "not used: subtitles only")
        return
    folder = Path(name).expanduser()
    if folder.is_dir():
        missing = [file for file in REQUIRED if not (folder / file).is_file()]
        if missing:
            remedy = saved.remedy(folder) or "convert it anew: ct2-transformers-converter"
            yield Finding(subject, "broken", f"{name} lacks {', '.join(missing)}", remedy)
        else:
            yield Finding(subject, "good", f"folder {name}")
        return
    repository = repository_of(name)
    wanted = hub.Wanted(repository, revision_of(settings.transcribe, repository), ("model.bin",))
    yield _hub_finding(subject, name, wanted, settings)


def check_torch_models(settings: Settings) -> Iterator[Finding]:
    """Are the open_clip models folders, or in the hub's cache?"""
    yield _open_clip_finding("model models.image_text.name", settings.models.image_text, settings)
    yield _open_clip_finding("model models.captions.name", settings.models.captions, settings)


def _open_clip_finding(subject: str, model: ModelSettings, settings: Settings) -> Finding:
    setting, name = subject.split()[1], " ".join(part for part in (model.name, model.pretrained) if part)
    resolved = resolve(model.name)
    if resolved.startswith(LOCAL):
        folder = Path(resolved.removeprefix(LOCAL))
        try:
            saved.check_folder(folder)
        except saved.LackingError as error:
            return Finding(subject, "broken", str(error), saved.remedy(folder) or f"mend {setting}")
        return Finding(subject, "good", f"folder {folder}")
    if model.pretrained and Path(model.pretrained).is_file():
        return Finding(subject, "good", f"{name}, a file")
    wanted = hub.Wanted(hub.repository_of(model), model.revision, hub.OPEN_CLIP_WEIGHTS)
    return _hub_finding(subject, name, wanted, settings)


def _hub_finding(subject: str, name: str, wanted: hub.Wanted, settings: Settings) -> Finding:
    if wanted.repository is None:
        return Finding(
            subject, "broken", f"{name} is no folder that is there, and no known name", f"mend {subject.split()[1]}"
        )
    if hub.is_cached(wanted, settings.models.cache_dir):
        return Finding(subject, "good", f"{name}, in the hub's cache")
    return Finding(
        subject, "warning", f"{name} is not here yet; the first start fetches it from {wanted.repository}",
        f"{hub.download_command(wanted.repository, wanted.revision)}  # or set {subject.split()[1]} to a folder",
    )  # fmt: skip


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Is there room for the media in progress, and may we write?"""
    folder = settings.data_dir
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < settings.media_store.min_free_bytes:
        yield Finding(
            "disk", "broken", f"{free_bytes / GIB:.1f} GiB free under {existing}: downloads pause",
            "free some, or lower media_store.min_free_bytes",
        )  # fmt: skip
    else:
        yield Finding("disk", "good", f"{free_bytes / GIB:.1f} GiB free under {existing}")


def check_catalog(settings: Settings) -> Iterator[Finding]:
    """Can the dataset be opened for reading, and is it of this version?"""
    from vta_stream.stores.reader import DatasetError, open_reader

    if settings.store.catalog.startswith("sqlite:") and not settings.dataset_dir.exists():
        yield Finding("catalog", "good", f"none yet; `vta-stream run` makes it under {settings.dataset_dir}")
        return
    try:
        with open_reader(settings) as connection:
            (videos,) = connection.execute("SELECT count(*) FROM videos").fetchone() or (0,)
    except (DatasetError, sqlite3.Error) as error:
        yield Finding("catalog", "broken", str(error), "vta-stream verify  # names what is wrong, and where")
    else:
        yield Finding("catalog", "good", f"{videos} videos under {settings.dataset_dir}")
