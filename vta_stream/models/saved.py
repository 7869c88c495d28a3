"""A folder with an open_clip model: what has to be in it, which of its files is damaged, how to get it back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CONFIG = "open_clip_config.json"
_WEIGHTS = ("*.safetensors", "*.bin", "*.pth")
_TOKENIZER = ("tokenizer.json", "vocab*", "*.model")
_TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "merges.txt")
_PACKAGE = Path(__file__).resolve().parents[1]


class LackingError(Exception):
    """What a folder lacks, or which of its files is damaged."""


def check_folder(folder: Path) -> None:
    """Raises LackingError for a folder without a configuration or weights, or none at all."""
    if not folder.is_dir():
        raise LackingError(f"there is no folder {folder}")
    if not (folder / CONFIG).is_file():
        raise LackingError(f"{folder} has no {CONFIG}")
    if not _found(folder, _WEIGHTS):
        raise LackingError(f"{folder} has no weights ({', '.join(_WEIGHTS)})")


def digest(*files: Path) -> str:
    """12 hex digits of the SHA-256 of what is in the files."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:12]


def folder_digest(folder: Path) -> str:
    """The digest of all that decides what the model of a folder answers: configuration, weights, own tokenizer."""
    return digest(folder / CONFIG, *_found(folder, _WEIGHTS + _TOKENIZER + _TOKENIZER_SETTINGS))


def check_tokenizer(folder: Path) -> None:
    """Raises LackingError where the configuration names a tokenizer and the folder has no file of one.

    open_clip takes such a tokenizer from the model's own folder, whatever its name is; where it is not, transformers
    says nothing of use.
    """
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    named = config.get("model_cfg", config).get("text_cfg", {}).get("hf_tokenizer_name")
    if named and not _found(folder, _TOKENIZER):
        raise LackingError(f"{folder} has no tokenizer.json, and its {CONFIG} names a tokenizer ({named})")


def damaged_file(folder: Path) -> str | None:
    """The first file that cannot be read, and why: for when a model could not be loaded. None if all can be."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            return f"{file} is damaged ({error})"
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "numpy"):  # reads the header, which says how long the file has to be
                pass
        except (OSError, SafetensorError) as error:
            return f"{file} is damaged ({error})"
    return None


def remedy(folder: Path) -> str | None:
    """How to get back a model that came with vta-stream; None for any other."""
    resolved = folder.resolve()
    if not resolved.is_relative_to(_PACKAGE):
        return None
    if (_PACKAGE.parent / ".git").exists():
        return f"It is part of vta-stream; get it back by: git -C {_PACKAGE.parent} checkout -- {resolved}"
    return "It is part of vta-stream; get it back by: pip install --force-reinstall --no-deps vta-stream"


def _found(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
