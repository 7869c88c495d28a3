"""Finding Whisper's weights: a CTranslate2 folder, or a repository of the hub at a known commit."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vta_stream.models import hub
from vta_stream.models.saved import remedy
from vta_stream.ports import TerminalError
from vta_stream.settings.work import TranscribeSettings

log = logging.getLogger(__name__)

PINNED: Mapping[str, str] = {
    "Systran/faster-whisper-tiny": "d90ca5fe260221311c53c58e660288d3deb8d356",
    "Systran/faster-whisper-base": "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
    "Systran/faster-whisper-small": "536b0662742c02347bc0e980a01041f333bce120",
    "Systran/faster-whisper-medium": "08e178d48790749d25932bbc082711ddcfdfbc4f",
    "Systran/faster-whisper-large-v2": "f0fe81560cb8b68660e564f55dd99207059c092e",
    "Systran/faster-whisper-large-v3": "edaa852ec7e145841d8ffdb056a99866b5f0a478",
    "mobiuslabsgmbh/faster-whisper-large-v3-turbo": "0c94664816ec82be77b20e824c8e8675995b0029",
}
"""Commits of the repositories in faster-whisper's table. Others are taken at their newest, unless
`transcribe.revision` says which; the transcripts say which that was."""

REQUIRED = ("model.bin", "config.json", "tokenizer.json")
"""Without a `tokenizer.json` faster-whisper would fetch another model's, unasked."""

_WANTED = [*REQUIRED, "preprocessor_config.json", "vocabulary.*"]
_HUB_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Weights:
    """A folder that holds all that is needed, and the name under which transcripts remember it."""

    folder: Path
    identity: str


def find_weights(settings: TranscribeSettings, cache_dir: Path | None) -> Weights:
    """The folder of `settings.model`; fetched from the hub, with a progress bar, if it is not there yet.

    The identity is `<folder>@<12 digits of the files' SHA-256>` or `<repository>@<12 digits of the commit>`.
    Raises TerminalError `model_missing` that says what to do, or `model_damaged`.
    """
    folder = Path(settings.model).expanduser()
    if folder.is_dir():
        lacking = [name for name in REQUIRED if not (folder / name).is_file()]
        if lacking:
            raise missing(settings, f"the folder has no {', '.join(lacking)}")
        _check_json(folder)
        _check_pieces(folder)
        return Weights(folder, f"{folder.name}@{_digest(folder)}")
    repository = repository_of(settings.model)
    if repository is None:
        raise missing(settings, "there is no such folder, and faster-whisper knows no such name")
    folder = _snapshot(settings, repository, revision_of(settings, repository), cache_dir)
    _check_json(folder)
    _check_pieces(folder)
    return Weights(folder, f"{repository}@{folder.name[:12]}")


def missing(settings: TranscribeSettings, why: str) -> TerminalError:
    """The error for weights that are not to be had: which, what they are for, and how to get them."""
    lines = [
        f"transcribe.model is {settings.model!r}: {why}.",
        "It recognises speech in videos without subtitles, so the transcribe stage cannot start.",
    ]
    own = remedy(Path(settings.model).expanduser()) if settings.model else None
    repository = repository_of(settings.model)
    if own:
        lines.append(f"{own}.")
    elif repository:
        command = hub.download_command(repository, revision_of(settings, repository), "whisper")
        lines.append(f"Get it on a machine that reaches the hub: {command}")
        lines.append("and set transcribe.model to that folder.")
    else:
        lines.append("Set transcribe.model to a CTranslate2 Whisper folder, a repository of the hub (owner/name),")
        lines.append(f"or one of {', '.join(_aliases())}.")
    lines.append('With transcribe.model: "" subtitles alone are used.')
    return TerminalError("model_missing", " ".join(lines))


def _looks_like_repository(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/")


def _aliases() -> dict[str, str]:
    from faster_whisper.utils import _MODELS  # its own table; there is no public way to read it

    return dict(_MODELS)


def repository_of(name: str) -> str | None:
    """The repository that `name` means: itself, or that of faster-whisper's table; None if it means none."""
    return name if _looks_like_repository(name) else _aliases().get(name)


def revision_of(settings: TranscribeSettings, repository: str | None) -> str | None:
    """The commit that is wanted of `repository`: the settings', else the one that is known here; None: the newest."""
    return settings.revision or PINNED.get(repository or "")


def _snapshot(settings: TranscribeSettings, repository: str, revision: str | None, cache_dir: Path | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    options: dict[str, Any] = {"revision": revision, "cache_dir": cache_dir, "allow_patterns": _WANTED}
    try:
        try:
            folder = Path(snapshot_download(repository, local_files_only=True, **options))
            if all((folder / name).is_file() for name in REQUIRED):
                return folder
        except LocalEntryNotFoundError:
            log.info("%s is not in the hub's cache yet", repository)
        hub.say_once()
        log.info("fetching %s (large-v3 has 3.1 GB); this is done once", repository)
        folder = Path(snapshot_download(repository, etag_timeout=_HUB_TIMEOUT_S, **options))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise missing(settings, f"it cannot be fetched from the hub ({_first_line(error)})") from error
    lacking = [name for name in REQUIRED if not (folder / name).is_file()]
    if lacking:
        raise missing(settings, f"the repository {repository} has no {', '.join(lacking)}: not a CTranslate2 Whisper")
    return folder


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def damaged(folder: Path, why: str) -> TerminalError:
    """The error for weights that are there and no good, with the way to get them back."""
    return TerminalError("model_damaged", f"{why}. {remedy(folder) or 'Fetch it again'}.")


def _check_json(folder: Path) -> None:
    """Name the file that broke off: the libraries would say where in it, but not which it is."""
    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise damaged(folder, f"{file} is damaged ({error})") from error


def _check_pieces(folder: Path) -> None:
    """Refuse a configuration that names pieces the vocabulary does not have: CTranslate2 does not check them, and
    writes past its memory.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        listed = [*(config.get("suppress_ids") or []), *(config.get("suppress_ids_begin") or [])]
        size = _vocabulary_size(folder)
    except (AttributeError, TypeError) as error:
        raise damaged(folder, f"{folder / 'config.json'} or the vocabulary is not what CTranslate2 writes") from error
    beyond = [number for number in listed if size is not None and number >= size]
    if beyond:
        text = f"{folder}/config.json suppresses the pieces {beyond}, but the vocabulary has only {size}"
        raise TerminalError("model_damaged", f"{text}; convert the model again with the right generation settings.")


def _vocabulary_size(folder: Path) -> int | None:
    if (folder / "vocabulary.json").is_file():
        return len(json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")))
    if (folder / "vocabulary.txt").is_file():
        return (folder / "vocabulary.txt").read_bytes().count(b"\n")
    return None


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for name in sorted((*REQUIRED, "preprocessor_config.json")):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:12]
