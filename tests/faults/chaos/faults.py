"""Doing to the workers, the broker and the disk what the schedule says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.faults.chaos.elsewhere import Elsewhere
from tests.faults.chaos.place import ROOT, SESSION_TIMEOUT_S, Place
from tests.faults.chaos.processes import ALL_BUT_STORE, WorkerProcess, command, environment
from tests.faults.chaos.schedule import Fault
from tests.faults.chaos.watching import LogMark, Watch, first_message_of
from tests.kafka_process import KafkaProcess

IMPOSTOR_S = 20.0
"""So long a second process of a name may take to say that it has to go; where the first one is dead it stays."""
ALIVE_S = 5.0
"""So long a kill waits for a worker that is just being started again."""
TOP_UP_S = 0.1
LOCKER = """
import sqlite3, sys, time
catalog = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
catalog.execute("BEGIN IMMEDIATE")
time.sleep(float(sys.argv[2]))
catalog.execute("ROLLBACK")
"""


@dataclass
class Measured:
    """What was measured and what went otherwise than it should. `recoveries` in seconds by what had happened."""

    done: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    cut_short: Counter[str] = field(default_factory=Counter)
    """Recoveries that the next fault did not let come to their end."""
    lines_per_s_while_away: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What a fault was answered with, where the answer is not the right one."""

    def recovered(self, what: str, seconds: float | None) -> None:
        if seconds is None:
            self.cut_short[what] += 1
        else:
            self.recoveries.setdefault(what, []).append(seconds)


class Faults:
    """One method a kind. A method returns when its fault is over; recoveries are measured beside."""

    def __init__(
        self,
        place: Place,
        broker: KafkaProcess,
        workers: list[WorkerProcess],
        watch: Watch,
        tell: Callable[[str], None],
    ) -> None:
        self.place = place
        self.measured = Measured()
        self._broker = broker
        self._workers = workers
        self._extra: list[WorkerProcess] = []
        self._watch = watch
        self._tell = tell
        self._broker_is_ours, self._s3_is_ours, self._postgres_is_ours = (asyncio.Lock() for _ in range(3))
        self._disk_is_ours = asyncio.Lock()
        self._beside: set[asyncio.Task[None]] = set()
        self._deaths_of_store = 0

    async def do(self, fault: Fault) -> None:
        """Carry it out."""
        self._tell(str(fault))
        self.measured.done[fault.kind] += 1
        method: Callable[[Fault], Awaitable[None]] = getattr(self, f"_{fault.kind}")
        await method(fault)

    async def settle(self) -> None:
        """Wait for the measurements that are under way."""
        while self._beside:
            await asyncio.wait(self._beside)

    async def _kill(self, fault: Fault) -> None:
        await self._kill_worker(self._workers[fault.worker])

    async def _kill_twice(self, fault: Fault) -> None:
        await self._kill_worker(self._workers[fault.worker])
        await asyncio.sleep(fault.lasts_s)
        await self._kill_worker(self._workers[fault.worker])

    async def _kill_all(self, fault: Fault) -> None:
        await asyncio.gather(*(self._kill_worker(worker) for worker in self._workers))

    async def _failpoint(self, fault: Fault) -> None:
        worker = self._workers[fault.worker]
        await worker.alive(ALIVE_S)
        worker.arm(fault.detail)
        self._deaths_of_store += 1
        worker.signal(signal.SIGKILL, "kill")

    async def _terminate(self, fault: Fault) -> None:
        self._workers[fault.worker].signal(signal.SIGTERM, "stopped")

    async def _pause(self, fault: Fault) -> None:
        worker = self._workers[fault.worker]
        process = worker.process
        if process is None or not worker.signal(signal.SIGSTOP):
            return
        await asyncio.sleep(SESSION_TIMEOUT_S + fault.lasts_s)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)

    async def _scale(self, fault: Fault) -> None:
        worker = WorkerProcess(self.place, f"extra{len(self._extra)}", ALL_BUT_STORE, self._workers[0].on_death)
        self._extra.append(worker)
        worker.start()
        await asyncio.sleep(fault.lasts_s)
        if await worker.stop(30) is None:
            self.measured.wrong.append(f"{fault}: {worker.name} did not end within 30 s of SIGTERM")

    async def _broker_kill(self, fault: Fault) -> None:
        await self._broker_away(fault, self._broker.kill)

    async def _broker_stop(self, fault: Fault) -> None:
        await self._broker_away(fault, self._broker.stop)

    async def _broker_away(self, fault: Fault, end: Callable[[], None]) -> None:
        async with self._broker_is_ours:
            mark = LogMark.now(self._workers)
            await asyncio.to_thread(end)
            await asyncio.sleep(fault.lasts_s)
            await asyncio.to_thread(self._broker.start)
            self.measured.lines_per_s_while_away.append(mark.lines_per_s(self._workers))
        self._measure(self._store_goes_on("broker away", time.monotonic()))

    async def _broker_pause(self, fault: Fault) -> None:
        async with self._broker_is_ours:
            pid = int((self._broker.folder / "kafka.pid").read_text())
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(fault.lasts_s)
            finally:
                os.kill(pid, signal.SIGCONT)
        self._measure(self._store_goes_on("broker paused", time.monotonic()))

    async def _disk_full(self, fault: Fault) -> None:
        balloon = self.place.data / "balloon"
        async with self._disk_is_ours:
            end_s = time.monotonic() + fault.lasts_s
            try:
                with balloon.open("ab") as file:
                    while time.monotonic() < end_s:
                        await asyncio.to_thread(_fill, file.fileno(), self.place.data)
                        await asyncio.sleep(TOP_UP_S)
            finally:
                balloon.unlink()
        self._measure(self._store_goes_on("disk full", time.monotonic()))

    async def _catalog_locked(self, fault: Fault) -> None:
        if self.place.elsewhere:
            async with self._postgres_is_ours:
                await asyncio.to_thread(self.place.elsewhere.lock_catalog, fault.lasts_s)
        else:
            catalog = self.place.settings.dataset_dir / "catalog.sqlite"
            locker = await asyncio.create_subprocess_exec(
                sys.executable, "-c", LOCKER, str(catalog), str(fault.lasts_s), stderr=asyncio.subprocess.PIPE
            )
            _, said = await locker.communicate()
            if locker.returncode != 0:
                self.measured.wrong.append(f"{fault}: the lock was not had: {said.decode().splitlines()[-1:]}")
        self._measure(self._store_goes_on("catalog locked", time.monotonic()))

    async def _s3_kill(self, fault: Fault) -> None:
        async with self._s3_is_ours:
            await asyncio.to_thread(self._elsewhere.s3.kill)
            await asyncio.sleep(fault.lasts_s)
            await asyncio.to_thread(self._elsewhere.s3.start)
        self._measure(self._store_goes_on("S3 away", time.monotonic()))

    async def _s3_pause(self, fault: Fault) -> None:
        async with self._s3_is_ours:
            with self._elsewhere.s3.paused():
                await asyncio.sleep(fault.lasts_s)
        self._measure(self._store_goes_on("S3 paused", time.monotonic()))

    async def _postgres_kill(self, fault: Fault) -> None:
        async with self._postgres_is_ours:
            await asyncio.to_thread(self._elsewhere.postgres.kill)
            await asyncio.sleep(fault.lasts_s)
            await asyncio.to_thread(self._elsewhere.postgres.start)
        self._measure(self._store_goes_on("Postgres away", time.monotonic()))

    @property
    def _elsewhere(self) -> Elsewhere:
        assert self.place.elsewhere is not None, "without a bucket these kinds are left out of the schedule"
        return self.place.elsewhere

    async def _same_name(self, fault: Fault) -> None:
        name = self._workers[fault.worker].name
        await self._impostor(fault, self.place, name, ALL_BUT_STORE, "another live process is the worker")

    async def _same_name_elsewhere(self, fault: Fault) -> None:
        name = self._workers[fault.worker].name
        elsewhere = _other_machine(self.place, fault.number)
        await self._impostor(fault, elsewhere, name, ALL_BUT_STORE, "another live worker is called")

    async def _second_store(self, fault: Fault) -> None:
        await self._impostor(fault, self.place, f"second{fault.number}", ("store",), "a dataset has one writer")

    async def _impostor(self, fault: Fault, place: Place, name: str, agents: tuple[str, ...], says: str) -> None:
        """Start it beside the right one. It has to end with these words; if the right one is dead, it may live.

        Meanwhile servers and disk stay, because without them it says so, and nothing was tried.
        """
        async with self._broker_is_ours, self._s3_is_ours, self._postgres_is_ours, self._disk_is_ours:
            await self._try_impostor(fault, place, name, agents, says)

    async def _try_impostor(self, fault: Fault, place: Place, name: str, agents: tuple[str, ...], says: str) -> None:
        log = self.place.logs / f"impostor{fault.number}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *command(place, agents),
                cwd=ROOT,
                env=environment(self.place, name),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(IMPOSTOR_S):
                code = await process.wait()
        except TimeoutError:
            self.measured.done[f"{fault.kind}: took the place of a dead one"] += 1
            process.kill()
            await process.wait()
            return
        said = log.read_text(errors="replace")
        if code == 1 and says in said:
            self.measured.done[f"{fault.kind}: refused"] += 1
        elif code == -signal.SIGKILL and " runs " in said:  # it met a clip that kills whoever works on it
            self.measured.done[f"{fault.kind}: took the place of a dead one"] += 1
        else:
            self.measured.wrong.append(f"{fault}: ended with {code}, see {log.name}")

    async def _kill_worker(self, worker: WorkerProcess) -> None:
        await worker.alive(ALIVE_S)
        pid, moment_s = worker.pid, time.monotonic()
        if pid is None or not worker.signal(signal.SIGKILL, "kill"):
            return
        if "store" in worker.agents:
            self._deaths_of_store += 1
            self._measure(self._store_goes_on("worker with the store killed", moment_s))
        else:
            self._measure(self._worker_goes_on(worker, pid, moment_s))

    def _measure(self, measurement: Awaitable[None]) -> None:
        task = asyncio.ensure_future(measurement)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _store_goes_on(self, what: str, moment_s: float) -> None:
        deaths = self._deaths_of_store
        seconds = await self._watch.first_commit_after(moment_s)
        self.measured.recovered(what, seconds if deaths == self._deaths_of_store else None)

    async def _worker_goes_on(self, worker: WorkerProcess, pid: int, moment_s: float) -> None:
        self.measured.recovered("worker without the store killed", await first_message_of(worker, pid, moment_s))


def _fill(file: int, folder: Path) -> None:
    """Take all that is free, or as much as others leave."""
    free = os.statvfs(folder)
    with suppress(OSError):
        os.posix_fallocate(file, os.fstat(file).st_size, max(1, free.f_bavail * free.f_frsize))


def _other_machine(place: Place, number: int) -> Place:
    """A data folder with a state of its own, and the same media, as on another machine with shared storage."""
    other = Place(place.folder / f"elsewhere{number}")
    other.data.mkdir(parents=True)
    (other.data / "media").symlink_to(place.data / "media")
    values = yaml.safe_load(place.settings_file.read_text())
    values["data_dir"] = str(other.data)
    other.settings_file.write_text(yaml.safe_dump(values))
    return other
