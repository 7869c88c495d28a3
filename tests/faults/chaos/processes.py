"""Workers as processes, started again whenever they end, as systemd or Kubernetes would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.chaos.place import ROOT, Place
from tests.faults.chaos.worker import NOTES
from vta_stream.cli.run import AGENTS
from vta_stream.failpoints import VARIABLE

ALL_BUT_STORE = tuple(agent for agent in AGENTS if agent != "store")
AGAIN_AFTER_S = 1.0
LAST_WORDS_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended. `cause` is `kill`, `failpoint`, `poison`, `stopped`, or what it said last."""

    worker: str
    at_s: float
    lived_s: float
    code: int
    cause: str


def command(place: Place, agents: Sequence[str]) -> list[str]:
    """The command line of a worker."""
    module = ["-m", "tests.faults.chaos.worker", "-s", str(place.settings_file)]
    return [sys.executable, *module, "run", "--agents", ",".join(agents)]


def environment(place: Place, name: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a worker of that name."""
    return {**os.environ, "VTA_STREAM__WORKER__NAME": name, NOTES: str(place.notes), **(extra or {})}


@dataclass
class WorkerProcess:
    """One worker under supervision. All on one event loop."""

    place: Place
    name: str
    agents: Sequence[str]
    on_death: Callable[[Death], None] = field(default=lambda death: None)
    process: asyncio.subprocess.Process | None = None
    started_at_s: float = 0.0
    _wanted: bool = False
    _causes: dict[int, str] = field(default_factory=dict)
    _arm: str | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def log(self) -> Path:
        """What it writes, over all its lives."""
        return self.place.logs / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """None while it is dead."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    def start(self) -> None:
        """Begin to keep it alive."""
        self._wanted = True
        self._task = asyncio.create_task(self._keep_alive(), name=self.name)

    def signal(self, number: int, cause: str = "") -> bool:
        """Send a signal to the process, if it lives; False if it is dead at the moment."""
        if self.process is None or self.process.returncode is not None:
            return False
        if cause:
            self._causes[self.process.pid] = cause
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return True

    async def alive(self, patience_s: float) -> None:
        """Return when it lives, or after so long: between two lives is only a moment."""
        end_s = time.monotonic() + patience_s
        while self.pid is None and time.monotonic() < end_s:  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.05)

    def arm(self, failpoint: str) -> None:
        """The next process to start kills itself at this failpoint."""
        self._arm = failpoint

    async def stop(self, patience_s: float) -> int | None:
        """SIGTERM, and no new start. The exit code; None if it had to be killed."""
        self._wanted = False
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM, "stopped")
        if self._task is None:
            return None
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.shield(self._task)
        except TimeoutError:
            self.signal(signal.SIGKILL, "kill")
            await self._task
            return None
        return self.process.returncode if self.process is not None else None

    async def _keep_alive(self) -> None:
        while self._wanted:
            armed, self._arm = self._arm, None
            extra = {VARIABLE: armed} if armed else None
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *command(self.place, self.agents),
                    cwd=ROOT,
                    env=environment(self.place, self.name, extra),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.started_at_s = time.monotonic()
            code = await self.process.wait()
            death = self._death(self.process.pid, code, armed)
            self.on_death(death)
            if self._wanted and death.cause not in ("kill", "failpoint", "poison", "stopped"):
                await asyncio.sleep(AGAIN_AFTER_S)

    def _death(self, pid: int, code: int, armed: str | None) -> Death:
        cause = self._causes.pop(pid, "")
        if code == -signal.SIGKILL and not cause:
            poisoned = (self.place.notes / "poison" / str(pid)).exists()
            cause = "poison" if poisoned else "failpoint" if armed else "killed by nobody we know"
        if not cause or (cause == "stopped" and code != 0):
            cause = f"exit {code}: {last_words(self.log)}"
        now_s = time.monotonic()
        return Death(self.name, now_s, now_s - self.started_at_s, code, cause)


def last_words(log: Path) -> str:
    """The last line of a log that says anything."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_WORDS_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
