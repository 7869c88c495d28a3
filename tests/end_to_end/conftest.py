"""What the end-to-end tests share: tiny, untrained models in the real formats; runs that are made once."""

from __future__ import annotations

import fcntl
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.conftest import RUN_FOLDER
from tests.models.tiny_open_clip import make_tiny_clip, make_tiny_coca
from tests.models.tiny_whisper import make_tiny_whisper

T = TypeVar("T")


@pytest.fixture(scope="session")
def tiny_models(pytestconfig: pytest.Config) -> Path:
    """A folder with `clip`, `coca` and `whisper`; made once for all xdist workers."""
    run = pytestconfig.stash[RUN_FOLDER]
    with _alone(run, "models"):
        if not (run / "models.done").exists():
            make_tiny_clip(run / "models" / "clip")
            make_tiny_coca(run / "models" / "coca")
            make_tiny_whisper(run / "models" / "whisper")
            (run / "models.done").touch()
    return run / "models"


@pytest.fixture(scope="session")
def once(pytestconfig: pytest.Config) -> Callable[[str, Callable[[Path], T]], T]:
    """once(name, make): what `make` returns for a folder of that name; made once for all xdist workers.

    They deal the tests of one module among themselves, and each would run the daemon anew.
    """

    def made(name: str, make: Callable[[Path], T]) -> T:
        folder = pytestconfig.stash[RUN_FOLDER] / name
        kept = folder / "made.pickle"
        with _alone(folder.parent, name):
            if kept.exists():
                return pickle.loads(kept.read_bytes())  # type: ignore[no-any-return]
            if folder.exists():
                pytest.fail("the run failed before; the first test that wanted it tells why", pytrace=False)
            folder.mkdir()
            result = make(folder)
            kept.write_bytes(pickle.dumps(result))
            return result

    return made


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold a lock between the processes of this test run."""
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
