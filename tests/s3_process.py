"""A real S3 server (versitygw) on a free loopback port, its objects in a folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kafka_process import free_ports

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "deploy/setup/versitygw.sh"
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "not-so-secret"}


def _program() -> Path:
    version = re.search(r"^version=(\S+)", SCRIPT.read_text(), re.MULTILINE)
    assert version is not None
    return ROOT / f".cache/versitygw/versitygw-{version[1]}"


def missing() -> str | None:
    """What this machine lacks for running an S3 server, in words, or None."""
    return (
        None if _program().exists() else f"the S3 server is not there ({SCRIPT.relative_to(ROOT)} builds it, with Go)"
    )


@dataclass
class S3Process:
    """One server. It can be stopped, killed, frozen and started again on its port; its objects stay."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def new(cls, folder: Path) -> S3Process:
        """A server that is not started yet. It goes with the process that started it, however that ends."""
        return cls(folder, *free_ports(1))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        objects = self.folder / "objects"
        objects.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
            "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
        }
        command = [str(_program()), "--port", f"127.0.0.1:{self.port}", "posix", str(objects)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command], env=environment, stdout=log, stderr=log, cwd=self.folder
            )
        end_s = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end_s, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Shut it down. Safe to call twice."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Frozen during the block (SIGSTOP): connections stay, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def new_bucket(self) -> str:
        """The name of a bucket that nobody else has. To this server a bucket is a folder."""
        name = f"b{uuid.uuid4().hex[:12]}"
        (self.folder / "objects" / name).mkdir()
        return name

    def objects(self, url: str) -> dict[str, Path]:
        """The objects under s3://BUCKET/PREFIX: key relative to that, and the file behind it."""
        root = self.folder / "objects" / url.removeprefix("s3://")
        files = (path for path in root.rglob("*") if path.is_file() and ".sgwtmp" not in path.parts)
        return {str(path.relative_to(root)): path for path in files}
