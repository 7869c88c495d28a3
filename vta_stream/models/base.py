"""Loading open_clip weights, once for all who ask, and the lock under which they compute."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.models import hub, saved
from vta_stream.ports import TerminalError, TransientError
from vta_stream.settings.work import ModelSettings, ModelsSettings

if TYPE_CHECKING:
    import torch

    from vta_stream.ports import Images

log = logging.getLogger(__name__)

LOCAL = "local-dir:"


@dataclass(frozen=True)
class LoadedModel:
    """Weights in memory. `network` is open_clip's CLIP, CustomTextCLIP or CoCa; `preprocess` takes a PIL image."""

    model_id: str
    network: Any
    tokenizer: Any
    preprocess: Callable[[Any], torch.Tensor]
    dtype: torch.dtype


class ModelLoader:
    """Loads weights and keeps them: two settings that name the same weights share one network.

    Thread-safe. A forward pass runs within `computing()`: one at a time, since two on one device are
    slower than one after the other and need twice the memory.
    """

    def __init__(self, settings: ModelsSettings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self._loaded: dict[tuple[str, str | None, str | None], LoadedModel] = {}

    @property
    def device(self) -> str:
        """The torch device; `auto` becomes cuda where there is one, else cpu."""
        if self.settings.device != "auto":
            return self.settings.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Hold the device for one forward pass. Raises TransientError `out_of_memory` if the pass does not fit."""
        import torch

        with self.lock:
            try:
                yield
            except torch.cuda.OutOfMemoryError as error:
                torch.cuda.empty_cache()
                raise TransientError(
                    "out_of_memory", f"{self.device} has no room for a pass; lower models.batch_max: {error}"
                ) from error

    def load(self, model: ModelSettings, setting: str, purpose: str) -> LoadedModel:
        """The network of `model`, in memory after the first call.

        Raises TerminalError `model_missing` if the weights are not to be had or damaged: the text names
        `setting`, the model, its `purpose` and the remedy.
        """
        key = (resolve(model.name), model.pretrained, model.revision)
        with self.lock:
            if key not in self._loaded:
                self._loaded[key] = self._load(model, Missing(model, setting, purpose))
            return self._loaded[key]

    def _load(self, model: ModelSettings, missing: Missing) -> LoadedModel:
        # open_clip, torch and the hub raise nearly anything for a missing or damaged file.
        try:
            name, weights, overrides, identity = self._locate(model, missing)
            return self._create(name, weights, overrides, identity)
        except TerminalError:
            raise
        except saved.LackingError as error:
            raise missing.error(str(error)) from error
        except Exception as error:
            raise missing.error(missing.damage() or _first_line(error)) from error

    def _locate(self, model: ModelSettings, missing: Missing) -> tuple[str, str | None, dict[str, Any], str]:
        """Name for open_clip, weights file, preprocessing of a tag, and the identity that gets recorded."""
        name = resolve(model.name)
        if name.startswith(LOCAL):
            folder = Path(name.removeprefix(LOCAL))
            saved.check_folder(folder)
            saved.check_tokenizer(folder)
            return name, None, {}, f"{folder.name}@{saved.folder_digest(folder)}"
        import open_clip  # takes seconds, which nobody shall wait to hear that a folder is missing

        if name.startswith(hub.PREFIX):
            folder = self._snapshot(name.removeprefix(hub.PREFIX), model.revision)
            saved.check_folder(folder)
            return f"{LOCAL}{folder}", None, {}, f"{name}@{folder.name[:12]}"
        if name not in open_clip.list_models():
            raise missing.error(f"open_clip knows no architecture {name}, and there is no such folder")
        if model.pretrained is None:
            raise missing.error("no weights are named: set `pretrained` beside `name`")
        if Path(model.pretrained).is_file():
            weights = Path(model.pretrained)
            return name, str(weights), {}, f"{name}/{weights.name}@{saved.digest(weights)}"
        tag = open_clip.get_pretrained_cfg(name, model.pretrained)
        if not tag:
            known = ", ".join(open_clip.list_pretrained_tags_by_model(name))
            raise missing.error(f"{name} has no weights {model.pretrained!r}; there are: {known}")
        weights = self._download(tag, model.revision)
        snapshot = weights.parent.name[:12] if tag.get("hf_hub") else saved.digest(weights)
        return name, str(weights), tag, f"{name}/{model.pretrained}@{snapshot}"

    def _snapshot(self, repository: str, revision: str | None) -> Path:
        from huggingface_hub import hf_hub_download, snapshot_download

        cache = self.settings.cache_dir
        _announce(hub.Wanted(repository, revision, hub.OPEN_CLIP_WEIGHTS), cache)
        wanted = ["*.json", "*.txt", "*.model", "open_clip_model.safetensors"]
        folder = Path(snapshot_download(repository, revision=revision, cache_dir=cache, allow_patterns=wanted))
        if not any(folder.glob("*.safetensors")):
            hf_hub_download(repository, "open_clip_pytorch_model.bin", revision=revision, cache_dir=cache)
        return folder

    def _download(self, tag: dict[str, Any], revision: str | None) -> Path:
        from open_clip.pretrained import download_pretrained, download_pretrained_from_hf

        folder = str(self.settings.cache_dir) if self.settings.cache_dir else None
        repository, _, filename = str(tag.get("hf_hub") or "").rpartition("/")
        wanted = hub.Wanted(repository, revision, (filename,) if filename else hub.OPEN_CLIP_WEIGHTS)
        _announce(wanted, self.settings.cache_dir)
        if repository:
            found = download_pretrained_from_hf(repository, filename or None, revision, folder)
        else:
            found = download_pretrained(tag, cache_dir=folder)
        return Path(found)

    def _create(self, name: str, weights: str | None, preprocess: dict[str, Any], identity: str) -> LoadedModel:
        import open_clip
        import torch
        from open_clip.transform import PreprocessCfg, image_transform_v2

        if self.settings.threads:
            torch.set_num_threads(self.settings.threads)
        precision = self.settings.precision
        network = open_clip.create_model(
            name,
            pretrained=weights,
            precision=precision,
            device=self.device,
            force_quick_gelu=bool(preprocess.get("quick_gelu")),
            force_preprocess_cfg=preprocess,
            require_pretrained=True,  # without it, a folder without weights gives random ones and a warning
            weights_only=True,
            pretrained_text=False,
        ).eval()
        return LoadedModel(
            model_id=identity if precision == "fp32" else f"{identity}/{precision}",
            network=network,
            tokenizer=open_clip.get_tokenizer(name),
            preprocess=image_transform_v2(PreprocessCfg(**network.visual.preprocess_cfg), is_train=False),
            dtype={"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision],
        )


@dataclass(frozen=True)
class Missing:
    """How to say that weights are missing: which, named where, what for."""

    model: ModelSettings
    setting: str
    purpose: str

    def error(self, why: str) -> TerminalError:
        """The error with `why`, and what to do."""
        name = " ".join(part for part in (self.model.name, self.model.pretrained) if part)
        text = f"the model {name} ({self.setting}), which {self.purpose}, cannot be loaded: {why.rstrip('.')}."
        return TerminalError("model_missing", f"{text} {self._remedy()}")

    def _remedy(self) -> str:
        if self._folder:
            own = saved.remedy(self._folder)
            return own or f"Set {self.setting}.name to a folder with {saved.CONFIG} and its weights"
        by_hand = f"set {self.setting}.name to a folder with {saved.CONFIG} and its weights"
        if repository := hub.repository_of(self.model):
            command = hub.download_command(repository, self.model.revision, "FOLDER")
            by_hand = f"on one that does: {command}, and set {self.setting}.name to that folder"
        return f"Let this machine reach the Hugging Face hub once, or {by_hand}"

    def damage(self) -> str | None:
        """The file of the model's folder that cannot be read; None if it is not that, or no folder."""
        return saved.damaged_file(self._folder) if self._folder and self._folder.is_dir() else None

    @property
    def _folder(self) -> Path | None:
        name = resolve(self.model.name)
        return Path(name.removeprefix(LOCAL)) if name.startswith(LOCAL) else None


def resolve(name: str) -> str:
    """`name` with open_clip's prefix if it is a folder (`/models/x`, `./x`, `~/x`, or any that exists)."""
    if name.startswith((LOCAL, hub.PREFIX)):
        return name
    path = Path(name).expanduser()
    if path.is_absolute() or name.startswith(("./", "../", "~")) or path.is_dir():
        return f"{LOCAL}{path}"
    return name


def pixels(loaded: LoadedModel, images: Sequence[Images], device: str) -> torch.Tensor:
    """RGB uint8 pictures of any sizes as one preprocessed batch on `device`."""
    import torch
    from PIL import Image

    batch = torch.stack([loaded.preprocess(Image.fromarray(image)) for image in images])
    return batch.to(device=device, dtype=loaded.dtype)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


def _announce(wanted: hub.Wanted, cache_dir: Path | None) -> None:
    """Say that weights are on their way, which takes minutes, if they are; the progress bar is the hub's."""
    hub.say_once()
    if wanted.repository and not hub.is_cached(wanted, cache_dir):
        log.info("fetching %s; this is done once", wanted.repository)
