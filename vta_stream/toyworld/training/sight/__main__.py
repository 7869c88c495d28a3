"""`python -m vta_stream.toyworld.training.sight --work FOLDER [--out FOLDER]`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from vta_stream.toyworld.training.sight.export import export
from vta_stream.toyworld.training.sight.glance import glance
from vta_stream.toyworld.training.sight.loop import Run, Training
from vta_stream.toyworld.training.sight.pool import Crowds, Pool, build_pools

_STEPS, _SCENES, _CROWDS = 17_500, 12_000, 12_000


def main() -> None:
    """Train, or go on training, in the work folder; then write the model, its curves and its figures."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    run = Run(given.work, given.steps, given.scenes, given.crowds, given.seed)
    pool = Pool(given.work / "pool", given.scenes, given.seed)
    crowds = Crowds(given.work / "pool", given.crowds, given.seed)
    training = Training(run, given.device)
    if not given.now:
        build_pools(pool, crowds, tell)
        training.go(pool, crowds, tell, glance)
    if given.out:
        tell(f"writing {given.out}")
        export(training, given.out, tell)


def tell(line: str) -> None:
    """A line of progress, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m vta_stream.toyworld.training.sight", description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True, help="for pictures (1 GB), checkpoint and curve")
    parser.add_argument("--out", type=Path, help="where the model is written at the end, as open_clip reads it")
    parser.add_argument("--now", action="store_true", help="write the model as it was saved last, without training on")
    parser.add_argument("--steps", type=int, default=_STEPS)
    parser.add_argument("--scenes", type=int, default=_SCENES)
    parser.add_argument("--crowds", type=int, default=_CROWDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for the arithmetic on a CPU")
    return parser.parse_args()


if __name__ == "__main__":
    main()
