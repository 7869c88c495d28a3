"""The Hugging Face hub: how weights are fetched from it by hand, and whose voice it has in our log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from vta_stream.settings.work import ModelSettings

PREFIX = "hf-hub:"
OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Either will do; the second is what older repositories have."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Weights on the hub: `repository` (owner/name), its commit (None: the newest), and files of which one will do.

    `repository` is None where a model's name leads to none.
    """

    repository: str | None
    revision: str | None
    files: tuple[str, ...]


def repository_of(model: ModelSettings) -> str | None:
    """Where open_clip finds the weights of `model` on the hub; None for weights from elsewhere, or unknown ones."""
    if model.name.startswith(PREFIX):
        return _repository(model.name.removeprefix(PREFIX))
    import open_clip

    tag = open_clip.get_pretrained_cfg(model.name, model.pretrained or "")
    return str(tag.get("hf_hub") or "").rpartition("/")[0] or None


def _repository(name: str) -> str | None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    return name


def is_cached(wanted: Wanted, cache_dir: Path | None) -> bool:
    """Is one of the files in the hub's cache, at the commit that is wanted? Asks nobody."""
    from huggingface_hub import try_to_load_from_cache

    if wanted.repository is None:
        return False
    return any(
        isinstance(try_to_load_from_cache(wanted.repository, file, cache_dir, wanted.revision), str)
        for file in wanted.files
    )


def download_command(repository: str, revision: str | None, folder: str | None = None) -> str:
    """The command that fetches `repository` at `revision` into `folder`, or into the hub's cache."""
    parts = [f"hf download {repository}"]
    if revision:
        parts.append(f"--revision {revision}")
    if folder:
        parts.append(f"--local-dir {folder}")
    return " ".join(parts)


def say_once() -> None:
    """Take away the handler that huggingface_hub 1.x gives its logger, which also passes its records on to our log.

    With both, each line comes twice (its `enable_propagation` says so; it is on by default, whatever the text says).
    """
    import huggingface_hub  # adds the handler

    logging.getLogger(huggingface_hub.__name__).handlers.clear()
