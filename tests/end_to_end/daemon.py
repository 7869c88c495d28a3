"""`vta-stream run` as a user runs it: a process with a settings file, of which only the outside is seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from vta_stream.settings import Settings, load_settings
from vta_stream.stores.reader import DatasetError, open_reader

READY_S = 240.0
WORK_S = 900.0
STOP_S = 60.0
POLL_S = 0.5
LOG_LINES = 60
ENDED = "SELECT video_id, status FROM videos WHERE status <> 'processing'"


def write_settings(folder: Path, models: Path | None, **groups: Any) -> Path:
    """`folder`/settings.yaml: the models of `models`, a free metrics port, no YouTube; `groups` are laid over it."""
    values: dict[str, Any] = {
        "data_dir": str(folder / "data"),
        "metrics": {"port": 0},
        "download": {"youtube": False, "requests_per_hour": 1_000_000},
        "segment": {"preset": "ultrafast"},
        "store": {"commit_wait_s": 0.2, "val_share": 0.0, "test_share": 0.0},
        "media_store": {"min_free_bytes": 0},
    }
    if models is not None:
        values["transcribe"] = {"model": str(models / "whisper")}
        values["models"] = {
            "image_text": {"name": str(models / "clip")},
            "captions": {"name": str(models / "coca")},
            "threads": 1,
        }
    for name, group in groups.items():
        values[name] = {**values.get(name, {}), **group} if isinstance(group, dict) else group
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(_plain(values)), encoding="utf-8")
    return file


def vta_stream(settings_file: Path, *arguments: str, limit_s: float = WORK_S) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end."""
    return subprocess.run(
        _line(settings_file, arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_s,
        env=_environment(),
    )


class Daemon:
    """A started `vta-stream run`. It dies with the test run, whatever ends that."""

    def __init__(self, settings_file: Path, *arguments: str) -> None:
        self.settings_file = settings_file
        self.settings: Settings = load_settings(settings_file, {})
        self.log = settings_file.with_name(f"run-{time.monotonic_ns()}.log")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *_line(settings_file, ("run", *arguments))],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=_environment(),
            )

    def wait_ready(self) -> None:
        """Until /readyz says so."""
        self.until("it is ready", self._ready, READY_S)

    def until(self, what: str, true: Callable[[], object], limit_s: float = WORK_S) -> None:
        """Wait for a condition. Fails, with the log, when the daemon ends before, or the time is up."""
        end_s = time.monotonic() + limit_s
        while not true():
            if self.process.poll() is not None:
                self.fail(f"the daemon ended with {self.process.returncode} before {what}")
            if time.monotonic() > end_s:
                self.fail(f"after {limit_s:.0f} s it is not so that {what}")
            time.sleep(POLL_S)

    def until_ended(self, count: int) -> None:
        """Until so many videos are done or failed."""
        self.until(f"{count} videos have ended", lambda: len(self.rows(ENDED)) >= count)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the dataset says; nothing as long as there is none."""
        try:
            with open_reader(self.settings) as lake:
                return lake.execute(sql).fetchall()
        except DatasetError:
            return []

    def interrupt(self) -> int:
        """Ctrl-C, which reaches all processes of a terminal; the exit code. Fails when it does not end."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def wait(self, limit_s: float = STOP_S) -> int:
        """Wait for the end; the exit code. Fails, with the log, when it does not come."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.fail(f"it did not end within {limit_s:.0f} s")

    def kill(self) -> None:
        """kill -9, as a crash would; its children have to notice by themselves."""
        self.process.kill()
        self.process.wait()

    def fail(self, why: str) -> NoReturn:
        """Fail the test with the end of the log."""
        pytest.fail(f"{why}; the end of {self.log}:\n{self.told(LOG_LINES)}", pytrace=False)

    def told(self, lines: int = 10_000) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _ready(self) -> bool:
        for file in self.settings.state_dir.glob("worker-*.json"):
            try:
                facts: Mapping[str, Any] = json.loads(file.read_text())
                if facts["pid"] == self.process.pid:
                    with urllib.request.urlopen(f"{facts['url']}/readyz", timeout=5) as answer:
                        return bool(answer.status == 200)
            except OSError:  # 503 (not ready), or not there (any more)
                continue
        return False


@contextmanager
def running(settings_file: Path, *arguments: str) -> Iterator[Daemon]:
    """A daemon that is ready; killed at the end if the block did not end it."""
    daemon = Daemon(settings_file, *arguments)
    try:
        daemon.wait_ready()
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.kill()


def _line(settings_file: Path, arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "vta_stream", "-s", str(settings_file), *arguments]


def _environment() -> dict[str, str]:
    """Without the settings of whoever runs the tests; and no model hub is asked."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VTA_STREAM")}
    return {**kept, "HF_HUB_OFFLINE": "1"}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
