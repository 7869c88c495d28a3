"""The folder of one run: where everything lies, and the settings that all workers share."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.faults.chaos.elsewhere import Elsewhere
from vta_stream.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]
PREFIX = "chaos"
DISK_BYTES = 512 * 1024**2
SESSION_TIMEOUT_S = 10.0


@dataclass
class Place:
    """`data` is a file system of its own, and small, where that is possible; `no_mount` says why it is not."""

    folder: Path
    no_mount: str | None = None
    elsewhere: Elsewhere | None = None
    """Where the dataset is, if not in `data`."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def settings_file(self) -> Path:
        return self.folder / "settings.yaml"

    @property
    def settings(self) -> Settings:
        return load_settings(self.settings_file)

    @property
    def dataset_files(self) -> Path:
        """The folder below which the shards are, as files: the dataset's, or the bucket's."""
        return self.elsewhere.files if self.elsewhere else self.settings.dataset_dir

    def make(self, address: str) -> None:
        """Make the folders, mount the small disk, and write the settings."""
        for folder in (self.data, self.notes, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.no_mount = _mount(self.data)
        values = _settings(self.data, address)
        if self.elsewhere:
            values["store"].update(self.elsewhere.settings())
        self.settings_file.write_text(yaml.safe_dump(values, sort_keys=False))

    def leave(self) -> None:
        """Unmount, with all that is in `data`. Safe to call twice."""
        if os.path.ismount(self.data):
            subprocess.run(["umount", "--lazy", str(self.data)], check=True)


def _mount(folder: Path) -> str | None:
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return "there is no mount command here, so no disk can be made full"
    if done.returncode == 0:
        return None
    return f"no tmpfs can be mounted here, so no disk can be made full: {done.stderr.strip()}"


def _settings(data: Path, address: str) -> dict[str, Any]:
    return {
        "data_dir": str(data),
        "kafka": {"bootstrap_servers": address, "topic_prefix": PREFIX, "session_timeout_s": SESSION_TIMEOUT_S},
        "worker": {"shutdown_grace_s": 5},
        "retry": {"base_s": 0.5, "max_s": 10},
        "metrics": {"port": 0},
        "media_store": {"limit_bytes": DISK_BYTES // 4, "min_free_bytes": 4 * 1024**2},
        "segment": {"timeout_factor": 0.01, "timeout_min_s": 5.0, "concurrency": 4},
        "store": {
            "commit_wait_s": 0.3,
            "shard_samples_max": 60,
            "shard_age_max_s": 10,
            "val_share": 0.1,
            "test_share": 0.1,
            "maintenance_interval_s": 20,
        },
    }
