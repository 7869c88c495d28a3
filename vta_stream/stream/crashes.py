"""What kills the process is counted on disk before the work starts."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vta_stream.failpoints import hit
from vta_stream.ports import DISK_FULL

FILE_BYTES_MAX = 1024 * 1024
COUNTS_MAX = 10_000
UNWRITTEN_MAX = 4096


def crash_key(stage: str, topic: str, identity: str | bytes) -> str:
    """The name of a piece of work in the ledger: the same whenever the same input comes again."""
    text = identity.encode("utf-8", "surrogatepass") if isinstance(identity, str) else identity
    return hashlib.blake2b(b"\0".join((stage.encode(), topic.encode(), text)), digest_size=8).hexdigest()


def is_last_chance(crashes: int, crashes_max: int) -> bool:
    """True for a suspect that is buried if the process dies once more while it is in work."""
    return 0 < crashes_max - 1 <= crashes


class CrashLedger:
    """An append-only file of what was begun and what ended; what was begun and never ended was a crash.

    Nothing is fsynced: what a process wrote survives its death, and only a power cut takes it, which is
    nobody's fault. The file is rewritten at the start and above 1 MiB. Lines: `+key` begun, `-key` ended,
    `=key n` had n crashes, `clean` a shutdown in good order. One process at a time may hold it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: Counter[str] = Counter()
        self._crashes: dict[str, int] = {}
        self._unwritten = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        for key, times in self._begun.items():
            if times > 0:
                self._crashes[key] = self._crashes.pop(key, 0) + 1
        self._begun.clear()
        self._file = self._rewrite()

    def crashes(self, key: str) -> int:
        """How often the process died with this in work."""
        return self._crashes.get(key, 0)

    def begin(self, keys: Iterable[str]) -> None:
        """Work starts. On return a crash of the process is counted against these.

        Raises OSError where nothing can be written; then the work must not start, and is not counted.
        """
        keys = tuple(keys)
        for key in keys:
            self._begun[key] += 1
        try:
            self._append(self._unwritten + "".join(f"+{key}\n" for key in keys))
        except OSError:
            self._end(keys)
            raise
        self._unwritten = ""

    def end(self, keys: Iterable[str]) -> None:
        """Work ended, well or not; earlier crashes are forgiven.

        Written with the next `begin`: a crash before that counts against this too, which costs it nothing but
        to be worked on alone once.
        """
        keys = tuple(keys)
        for key in keys:
            self._crashes.pop(key, None)
        self._end(keys)
        self._unwritten += "".join(f"-{key}\n" for key in keys)
        if len(self._unwritten) > UNWRITTEN_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what has ended since the last `begin`; on a full disk, leave it to the next `begin`."""
        try:
            self._append(self._unwritten)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
        else:
            self._unwritten = ""

    def parole(self, key: str, crashes: int) -> None:
        """Set how often the process died with this in work: it has ended, but has not proved itself."""
        self._crashes[key] = crashes
        self._unwritten += f"={key} {crashes}\n"
        self.flush()

    def close(self) -> None:
        """A shutdown in good order: what is still in work is not held against it."""
        self._begun.clear()
        os.close(self._rewrite())
        os.close(self._file)

    def _end(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._begun[key] -= 1
            if self._begun[key] <= 0:
                del self._begun[key]

    def _append(self, text: str) -> None:
        """All of the text or, with an OSError, nothing of it."""
        if not text:
            return
        if os.write(self._file, text.encode()) < len(text):
            os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._size += len(text)
        if self._size > FILE_BYTES_MAX:
            previous, self._file = self._file, self._rewrite()
            os.close(previous)

    def _read(self) -> None:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="ascii", errors="replace").splitlines():
            key = line[1:17]
            if line == "clean":
                self._begun.clear()
            elif line.startswith("+") and len(line) == 17:
                self._begun[key] += 1
            elif line.startswith("-") and len(line) == 17:
                self._begun[key] = max(0, self._begun[key] - 1)
                self._crashes.pop(key, None)
            elif line.startswith("=") and line[18:].isdigit():
                self._crashes[key] = int(line[18:])
            # Anything else is the torn end of a file after a power cut.

    def _rewrite(self) -> int:
        """Write the state of now to a new file and put it in the old one's place; returns it, open to append."""
        for key in list(self._crashes)[: max(0, len(self._crashes) - COUNTS_MAX)]:
            del self._crashes[key]
        lines = [f"={key} {count}\n" for key, count in self._crashes.items()]
        lines += [f"+{key}\n" for key, times in self._begun.items() for _ in range(times)]
        text = "".join(lines) + ("" if self._begun else "clean\n")
        fresh = self._path.with_suffix(".new")
        fresh.write_text(text, encoding="ascii")
        hit("ledger.rewriting")
        fresh.replace(self._path)
        self._size = len(text)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND)
