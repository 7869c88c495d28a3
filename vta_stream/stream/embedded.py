"""The embedded broker: librdkafka's in-process cluster, reachable by every Kafka client on this machine.

It speaks Kafka on a loopback port that librdkafka picks. It forgets everything with its process, and in each
partition it keeps the newest 5 MiB or 100,000 batches only (rdkafka_mock.c), whatever a topic's contract says.
So the requests live in a journal, which feeds it no faster than it is read and repairs what was pushed out.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from pathlib import Path
from typing import IO, Any

from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.discovery import (
    EmbeddedAddress,
    address_file,
    embedded_address,
    lock_file,
    write_address,
)
from vta_stream.stream.topics import Topics

START_S = 10.0


class EmbeddedBrokerError(Exception):
    """The embedded broker cannot start; the text says why."""


class EmbeddedBroker:
    """One cluster of one broker, for one data folder at a time. Use it as a context, or start and stop it."""

    def __init__(self, state_dir: Path, prefix: str) -> None:
        self.state_dir = state_dir
        self.prefix = prefix
        self._lock: IO[bytes] | None = None
        self._cluster: Any = None

    def start(self) -> BrokerConnection:
        """Start it, make the contracts' topics, and leave the address in `broker.json` for other commands.

        EmbeddedBrokerError if another live process has one on the same data folder.
        """
        from confluent_kafka import Producer

        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._lock = self._take_lock()
        # The address in here is never used: the option before it replaces it.
        self._cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:9", "log_level": 3})
        brokers = self._cluster.list_topics(timeout=START_S).brokers.values()
        servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        connection = BrokerConnection(bootstrap_servers=servers, run_id=uuid.uuid4().hex)
        topics = Topics(connection, self.prefix)
        topics.apply(topics.diff())
        assert connection.run_id is not None
        write_address(self.state_dir, EmbeddedAddress(servers, connection.run_id, os.getpid(), time.time()))
        return connection

    def stop(self) -> None:
        """End it; all it held is gone but for the journal. Safe to call twice, and after a failed start."""
        if self._lock is not None:
            address_file(self.state_dir).unlink(missing_ok=True)
            self._cluster = None  # librdkafka ends the cluster with its handle
            self._lock.close()
            self._lock = None

    def __enter__(self) -> BrokerConnection:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _take_lock(self) -> IO[bytes]:
        lock = lock_file(self.state_dir).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            other = embedded_address(self.state_dir)
            who = f"process {other.pid}, at {other.bootstrap_servers}" if other else "a process that is starting"
            raise EmbeddedBrokerError(
                f"another worker has an embedded broker on {self.state_dir.parent} already ({who}). Use another "
                "data_dir; or set kafka.bootstrap_servers to that address, and this worker will share its work"
            ) from error
        return lock
