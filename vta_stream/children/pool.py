"""A pool of killable child processes for one kind of work."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import TypeVar, cast

from vta_stream.children.process import Child, ChildGoneError
from vta_stream.children.wire import unpack_answer
from vta_stream.ports import TransientError

T = TypeVar("T")

MIB = 1024**2


class ChildPool:
    """Runs functions in child processes that can be killed. One pool for one kind of work.

    `work` is the label in metrics and messages. At most `size` children live at a time; they start at the
    first need, stay, and are replaced after `tasks_max` tasks or when a task leaves more than
    `rss_max_bytes` resident. A result of more than `result_bytes_max` pickled bytes is an error.

    Children have a process group of their own, ignore Ctrl-C, log through this process, and die with it,
    together with what they started.
    """

    def __init__(
        self,
        work: str,
        size: int,
        *,
        tasks_max: int = 100,
        rss_max_bytes: int = 1024 * MIB,
        result_bytes_max: int = 64 * MIB,
    ) -> None:
        self._work = work
        self._slots = asyncio.Semaphore(size)
        self._tasks_max = tasks_max
        self._rss_max_bytes = rss_max_bytes
        self._result_bytes_max = result_bytes_max
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, function: Callable[..., T], *arguments: object, deadline_s: float) -> T:
        """Call `function(*arguments)` in a child and return its result.

        `function` has to be importable by name (no lambda), arguments and result have to be picklable. The
        deadline counts from the moment a child is free; it includes the child's start. Cancelling this
        call kills the work.

        Raises the StageError that `function` raised; WorkError for any other exception of it; TransientError
        `child_timeout` past the deadline; TransientError `child_crashed` if the child ended without an
        answer (a crash on hostile media may well repeat: the shell counts the attempts).
        """
        task = pickle.dumps((function, arguments), protocol=pickle.HIGHEST_PROTOCOL)
        async with self._slots:
            if self._closed:
                raise RuntimeError(f"the pool of children for {self._work} is closed")
            child = self._take()
            spoilt = "cancelled"
            try:
                async with asyncio.timeout(deadline_s):
                    kind, body = await child.call(task)
                spoilt = ""
            except TimeoutError:
                spoilt = "timeout"
                text = f"The {self._work} work was killed: it was not done after {deadline_s:g} s."
                raise TransientError("child_timeout", text) from None
            except ChildGoneError as error:
                spoilt = "crashed"
                raise TransientError("child_crashed", f"{self._work}: {error}") from None
            finally:
                self._busy.discard(child)
                if spoilt:
                    await child.kill(spoilt)
                else:
                    self._give_back(child)
        return cast(T, unpack_answer(kind, body))

    async def close(self) -> None:
        """End all children, busy ones by force. Safe to call twice; `run` fails from now on."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(
            *(child.retire("closed") for child in idle),
            *(child.kill("closed") for child in list(self._busy)),
            *self._retiring,
        )

    def _take(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if not child.gone.is_set():
                break
            self._retire(child, "crashed")
        else:
            child = Child(self._work, self._result_bytes_max)
        self._busy.add(child)
        return child

    def _give_back(self, child: Child) -> None:
        if self._closed:
            self._retire(child, "closed")
        elif child.tasks_done >= self._tasks_max or child.rss_bytes() > self._rss_max_bytes:
            self._retire(child, "recycled")
        else:
            self._idle.append(child)

    def _retire(self, child: Child, how: str) -> None:
        task = asyncio.get_running_loop().create_task(child.retire(how))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
