"""Finding the broker: the one that the settings name, else the embedded one of a worker that runs."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vta_stream.settings import Settings
from vta_stream.stream.connection import BrokerConnection

REMEDY = (
    "Start a worker (vta-stream run), which brings an embedded broker; or start Kafka (make kafka) and set "
    "kafka.bootstrap_servers to its address"
)


class NoBrokerError(Exception):
    """There is no broker to talk to; the text says what to do."""


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """What `broker.json` in the state folder says of an embedded broker. `started_at_s` is Unix time."""

    bootstrap_servers: str
    run_id: str
    pid: int
    started_at_s: float


def address_file(state_dir: Path) -> Path:
    """Where the address of the embedded broker of a data folder is kept."""
    return state_dir / "broker.json"


def lock_file(state_dir: Path) -> Path:
    """The file that the process of a live embedded broker holds locked; the system frees it however it ends."""
    return state_dir / "broker.lock"


def write_address(state_dir: Path, address: EmbeddedAddress) -> None:
    """Replace `broker.json` in one step."""
    file = address_file(state_dir)
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(address), indent=2) + "\n")
    temporary.replace(file)


def embedded_address(state_dir: Path) -> EmbeddedAddress | None:
    """The embedded broker that is alive now, or None. One that died is not reported, whatever its file says."""
    if not _locked(lock_file(state_dir)):
        return None
    try:
        return EmbeddedAddress(**json.loads(address_file(state_dir).read_text()))
    except FileNotFoundError:
        return None  # it is only just starting
    except (ValueError, TypeError) as error:
        raise NoBrokerError(
            f"{address_file(state_dir)} cannot be read ({error}); stop the worker and remove it"
        ) from error


def find_connection(settings: Settings) -> BrokerConnection:
    """The broker of the settings, else the live embedded one of their data folder; else NoBrokerError."""
    if settings.kafka.bootstrap_servers:
        return BrokerConnection.from_settings(settings.kafka)
    address = embedded_address(settings.state_dir)
    if address is None:
        raise NoBrokerError(
            f"no broker: kafka.bootstrap_servers is not set, and no worker with an embedded broker runs on "
            f"{settings.data_dir}. {REMEDY}"
        )
    return BrokerConnection(bootstrap_servers=address.bootstrap_servers, run_id=address.run_id)


def _locked(file: Path) -> bool:
    """True if a live process holds the lock of that file."""
    try:
        with file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
