"""`python -m vta_stream.toyworld.training.hearing --work FOLDER --out FOLDER`."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path


def main() -> None:
    """Train, or go on training, in the work folder; then write the model."""
    # Before NumPy is there: its threads wait busily in the loader; a step took 1.45 s with them, and 1.08 s without.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import torch

    from vta_stream.toyworld.training.hearing.course import train
    from vta_stream.toyworld.training.hearing.export import export

    parser = argparse.ArgumentParser(prog="python -m vta_stream.toyworld.training.hearing", description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True, help="for recordings (2 GB), checkpoint and curve")
    parser.add_argument("--out", type=Path, help="where the CTranslate2 model is written at the end, with its figures")
    parser.add_argument("--now", action="store_true", help="write the model as it was saved last, without training on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for the arithmetic on a CPU")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if not given.now:
        train(given.work, given.seed, given.device, tell)
    if given.out:
        export(given.work, given.seed, given.out, tell)


def tell(line: str) -> None:
    """A line of progress, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
