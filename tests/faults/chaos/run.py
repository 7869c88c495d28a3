"""One run: a broker, workers, IDs, a schedule; then the reckoning."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.chaos.draining import Drain
from tests.faults.chaos.elsewhere import Elsewhere
from tests.faults.chaos.faults import Faults, Measured
from tests.faults.chaos.log_reading import alike, traceback_endings
from tests.faults.chaos.observing import observe, sealed
from tests.faults.chaos.oracle import Judgement, judge
from tests.faults.chaos.place import PREFIX, Place
from tests.faults.chaos.processes import ALL_BUT_STORE, Death, WorkerProcess
from tests.faults.chaos.publishing import Publisher
from tests.faults.chaos.schedule import KINDS, LONG, STORE_WORKER, Fault
from tests.faults.chaos.watching import Watch
from tests.kafka_process import KafkaProcess
from vta_stream.cli.run import AGENTS
from vta_stream.stores.verifying import verify
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.topics import Topics
from vta_stream.wiring import pipeline_version

LOG_BYTES_MAX = 200 * 1024**2
STOP_S = 30.0
TELL_EVERY_S = 10.0


@dataclass
class Options:
    """What may be asked for. `backlog` videos are unfinished at any time; one ID in `poison_every` kills."""

    seed: int
    schedule: Sequence[Fault]
    in_bucket: bool = False
    """The dataset's files on S3 and its catalog in Postgres, instead of all in a folder."""
    workers: int = 3
    backlog: int = 60
    poison_every: int = 400
    drain_patience_s: float = 240.0
    """So long nothing may move in the end before the run counts as stuck."""


@dataclass
class Outcome:
    """What came out. It is good if `problems` is empty."""

    options: Options
    place: Place
    seconds: float = 0.0
    published: int = 0
    distinct: int = 0
    deaths: list[Death] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)
    judgement: Judgement = field(default_factory=Judgement)
    shards: int = 0
    findings: list[str] = field(default_factory=list)
    """Of `vta-stream verify`."""
    files_of_cut_off_commits: int = 0
    """Among the tables in a bucket, where a writer removes them after a day, as another may be about to name them."""
    log_bytes: int = 0
    tracebacks: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> Counter[str]:
        """Deaths of workers by SIGKILL, by who did it."""
        return Counter(death.cause for death in self.deaths if death.code == -9)

    @property
    def other_ends(self) -> Counter[str]:
        """How workers ended without being killed or told to."""
        return Counter(alike(death.cause) for death in self.deaths if death.code != -9 and death.cause != "stopped")


class Run:
    """`go` once."""

    def __init__(self, folder: Path, options: Options, tell: Callable[[str], None]) -> None:
        self.place = Place(folder, elsewhere=Elsewhere.new(folder) if options.in_bucket else None)
        self.outcome = Outcome(options, self.place)
        self._options = options
        self._tell_person = tell
        self._events = folder / "events.log"
        self._began_s = time.monotonic()
        self._broker = KafkaProcess.new(folder / "kafka")
        self._watch = Watch(self.place)
        self._workers = [
            WorkerProcess(self.place, f"w{number}", AGENTS if number == STORE_WORKER else ALL_BUT_STORE, self._died)
            for number in range(options.workers)
        ]

    async def go(self) -> Outcome:
        """All of it. The folder stays; `Place.leave` unmounts."""
        outcome = self.outcome
        async with AsyncExitStack() as stack:
            if self.place.elsewhere is not None:
                stack.callback(self.place.elsewhere.stop)
                self.place.elsewhere.start()
            await asyncio.to_thread(self._broker.start)
            stack.push_async_callback(asyncio.to_thread, self._broker.stop)
            self.place.make(self._broker.address)
            connection = BrokerConnection(self._broker.address)
            topics = Topics(connection, PREFIX)
            await asyncio.to_thread(lambda: topics.apply(topics.diff()))
            stack.push_async_callback(self._end_workers)
            for worker in self._workers:
                worker.start()
            for work in (self._watch.run(), self._show()):
                stack.push_async_callback(_end, asyncio.create_task(work))
            publisher = Publisher(
                self._broker.address, self._options.seed, self._options.backlog, self._options.poison_every
            )
            await self._suffer(publisher)
            drained = await Drain(self.place, connection, self._watch, publisher).wait(
                self._options.drain_patience_s, self._tell
            )
            if drained is not None:
                outcome.problems.append(f"{drained}; what each worker waited for is at the end of its log")
                for worker in self._workers:
                    worker.signal(signal.SIGUSR2)
                await asyncio.sleep(5)
            outcome.problems += await self._stop_workers()
            outcome.seconds = time.monotonic() - self._began_s
            await asyncio.to_thread(self._reckon, publisher)
        return outcome

    async def _suffer(self, publisher: Publisher) -> None:
        """Publish, and do what the schedule says, until it ends."""
        faults = Faults(self.place, self._broker, self._workers, self._watch, self._tell)
        self.outcome.measured = faults.measured
        stop = asyncio.Event()
        publishing = asyncio.create_task(publisher.publish(lambda: self._watch.ended, stop))
        await self._watch.first_commit_after(0.0)  # from here on there is something to lose
        began_s = time.monotonic()
        tasks = []
        for fault in self._options.schedule:
            await asyncio.sleep(max(0.0, began_s + fault.at_s - time.monotonic()))
            if fault.kind == "disk_full" and self.place.no_mount:
                faults.measured.done["disk_full: left out, " + self.place.no_mount] += 1
                continue
            tasks.append(asyncio.create_task(faults.do(fault)))
        await asyncio.gather(*tasks)
        await faults.settle()
        stop.set()
        await publishing
        self.outcome.published, self.outcome.distinct = publisher.count, len(publisher.published)
        self.outcome.problems += [f"the broker refused {refused}" for refused in publisher.refused]

    async def _stop_workers(self) -> list[str]:
        """SIGTERM to all: each has to end with 0, in time."""
        self._tell("stopping the workers")
        codes = await asyncio.gather(*(worker.stop(STOP_S) for worker in self._workers))
        return [
            f"{worker.name} ended with {code} after SIGTERM" if code is not None else f"{worker.name} had to be killed"
            for worker, code in zip(self._workers, codes, strict=True)
            if code != 0
        ]

    async def _end_workers(self) -> None:
        await asyncio.gather(*(worker.stop(1) for worker in self._workers))

    def _reckon(self, publisher: Publisher) -> None:
        outcome, settings = self.outcome, self.place.settings
        observed = observe(self.place)
        outcome.judgement = judge(publisher.published, publisher.garbage, pipeline_version(settings), observed)
        outcome.shards = len(sealed(self.place))
        findings = list(verify(settings.dataset_dir, settings.store))
        if self._options.in_bucket:
            outcome.files_of_cut_off_commits = sum(finding.kind == "unknown_table_file" for finding in findings)
            findings = [finding for finding in findings if finding.kind != "unknown_table_file"]
        outcome.findings = [str(finding) for finding in findings]
        outcome.problems += [f"verify: {finding}" for finding in outcome.findings]
        logs = sorted(self.place.logs.glob("*.log"))
        outcome.log_bytes = sum(log.stat().st_size for log in logs)
        if outcome.log_bytes > LOG_BYTES_MAX:
            outcome.problems.append(f"the logs have {outcome.log_bytes} bytes")
        outcome.tracebacks = traceback_endings(logs)
        outcome.problems += outcome.measured.wrong
        outcome.problems += [str(violation) for violation in outcome.judgement.violations]

    def _died(self, death: Death) -> None:
        self.outcome.deaths.append(death)
        self._tell(f"{death.worker} died after {death.lived_s:.1f} s: {death.cause}")

    def _tell(self, text: str) -> None:
        with self._events.open("a") as file:
            file.write(f"{time.monotonic() - self._began_s:8.1f} {text}\n")

    async def _show(self) -> None:
        """Now and then a line for the person who waits."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            watch, outcome = self._watch, self.outcome
            done = sum(outcome.measured.done[kind] for kind in KINDS)
            self._tell_person(
                f"{time.monotonic() - self._began_s:5.0f} s  faults {done}/{len(self._options.schedule)}  "
                f"kills {outcome.kills.total()}  videos ended {watch.ended}  records in {watch.read_in}  "
                f"alive {sum(worker.pid is not None for worker in self._workers)}/{len(self._workers)}"
            )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


assert set(LONG) <= set(KINDS)
