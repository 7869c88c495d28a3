"""Run a module as a program, without the packages that only other tests bring: it starts in half the time.

python -m tests.faults.lean MODULE ARGUMENT…
"""

from __future__ import annotations

import runpy
import sys


class NotInstalled:
    """DuckDB imports pandas where it is; a worker has to do without it."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, NotInstalled)  # type: ignore[arg-type]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
