"""The models of the end-to-end tests: tiny and untrained, in the real formats."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.conftest import RUN_FOLDER
from vta_stream.toyworld.corpus import make_models


@pytest.fixture(scope="session")
def tiny_models(pytestconfig: pytest.Config) -> Path:
    """A folder with `clip`, `coca` and `whisper`; made once for all xdist workers."""
    run = pytestconfig.stash[RUN_FOLDER]
    folder, done = run / "models", run / "models.done"
    with (run / "models.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make_models(folder)
            done.touch()
    return folder
