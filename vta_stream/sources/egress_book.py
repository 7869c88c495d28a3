"""What the workers of a machine tell each other about their one address: a small file under a lock."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass
class Page:
    """All times are Unix seconds.

    `tokens`: downloads that may start, as of `filled_at_s`; None before the first. `rests_until_s`: nothing starts
    before. `refusals`: rests since the last download that worked; while there are any, one download at a time tries,
    and the next one not before `probe_until_s`. `hosts_rest_until_s`: the same for one host alone.
    """

    tokens: float | None = None
    filled_at_s: float = 0.0
    rests_until_s: float = 0.0
    refusals: int = 0
    probe_until_s: float = 0.0
    hosts_rest_until_s: dict[str, float] = field(default_factory=dict)

    def shift(self, seconds: float) -> None:
        """Move all times, after the machine's clock was set back."""
        self.filled_at_s += seconds
        self.rests_until_s += seconds
        self.probe_until_s += seconds
        self.hosts_rest_until_s = {host: end + seconds for host, end in self.hosts_rest_until_s.items()}


class Book:
    """One page in a file, changed by one process at a time. Blocking, for some microseconds: call it in a thread.

    A page that cannot be read (a full disk, a foreign file) is begun anew, with a warning: the worst that follows is
    that a site has to ask for rest once more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def open(self, clock: Callable[[], float]) -> Iterator[tuple[Page, float]]:
        """The page and the time now; what is changed on the page is kept if the block ends well."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            now_s = clock()
            page = self._read(now_s)
            yield page, now_s
            partial = self._path.with_suffix(".partial")
            partial.write_text(json.dumps({"written_at_s": now_s, **asdict(page)}), encoding="utf-8")
            partial.replace(self._path)
        finally:
            os.close(lock)

    def _read(self, now_s: float) -> Page:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            written_at_s = float(told.pop("written_at_s"))
            page = Page(**told)
            if now_s < written_at_s:
                page.shift(now_s - written_at_s)
        except FileNotFoundError:
            return Page()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("%s cannot be read, and is begun anew: %s", self._path, error)
            return Page()
        return page
