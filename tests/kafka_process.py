"""A real Apache Kafka on free loopback ports, through the same script that `make kafka` uses."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

SCRIPT = Path(__file__).parents[1] / "deploy/kafka/kafka.sh"
INSTALL = "apt-get install openjdk-17-jre-headless maven"


def missing() -> str | None:
    """What this machine lacks for running Kafka, in words, or None."""
    java = shutil.which("java")
    if java is None:
        return f"Kafka needs Java 17 and there is no java ({INSTALL})"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        return f"Kafka needs Java 17 or later and java is {told.splitlines()[:1]} ({INSTALL})"
    if shutil.which("mvn") is None and not (SCRIPT.parents[2] / ".cache/kafka/libs/stamp").exists():
        return f"Kafka's jars come through Maven and there is no mvn ({INSTALL})"
    return None


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago, all different, below the range of outgoing connections."""
    with ExitStack() as stack:
        ports = []
        while len(ports) < count:
            probe = stack.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", 20_000 + int.from_bytes(os.urandom(2)) % 10_000))
            except OSError:
                continue
            ports.append(probe.getsockname()[1])
        return ports


def create_topics(address: str, *names: str, partitions: int = 1) -> None:
    """Make topics on a real Kafka, which makes none by itself, and wait until they are there."""
    admin = AdminClient({"bootstrap.servers": address})
    for made in admin.create_topics([NewTopic(name, partitions) for name in names]).values():
        made.result(30)
    end_s = time.monotonic() + 30  # the controller says yes before the broker knows
    while not all(_partitions(admin, name) == partitions for name in names):
        assert time.monotonic() < end_s, f"{names} did not appear on {address}"
        time.sleep(0.05)


def _partitions(admin: AdminClient, name: str) -> int:
    topic = admin.list_topics(timeout=10).topics.get(name)
    return len(topic.partitions) if topic is not None and topic.error is None else 0


@dataclass
class KafkaProcess:
    """One broker with its folder. It can be stopped, killed and started again; its data stay."""

    folder: Path
    port: int
    controller_port: int
    parent: int

    @classmethod
    def new(cls, folder: Path, parent: int | None = None) -> KafkaProcess:
        """A broker that is not started yet. It is stopped when the process `parent` (default: this) ends."""
        port, controller_port = free_ports(2)
        return cls(folder, port, controller_port, parent or os.getpid())

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        self._script("start")

    def stop(self) -> None:
        """Shut it down in good order."""
        self._script("stop")

    def kill(self) -> None:
        """kill -9, as a crash would."""
        os.kill(int((self.folder / "kafka.pid").read_text()), signal.SIGKILL)

    def _script(self, command: str) -> None:
        environment = {
            **os.environ,
            "VTA_KAFKA_DIR": str(self.folder),
            "VTA_KAFKA_PORT": str(self.port),
            "VTA_KAFKA_CONTROLLER_PORT": str(self.controller_port),
            "VTA_KAFKA_PARENT": str(self.parent),
        }
        done = subprocess.run(
            [str(SCRIPT), command], env=environment, capture_output=True, text=True, check=False, timeout=280
        )
        if done.returncode != 0:
            raise RuntimeError(f"kafka.sh {command} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def temporary_kafka() -> Iterator[tuple[str, Path]]:
    """host:port of a broker of its own, and an empty folder beside its data; both are gone after the block."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kafka = KafkaProcess.new(folder / "kafka")
        kafka.start()
        try:
            yield kafka.address, folder
        finally:
            kafka.stop()
