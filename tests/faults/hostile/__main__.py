"""python -m tests.faults.hostile --mutants N --seed S: see the package's head."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.faults.hostile.examining import examine
from tests.faults.hostile.mutants import make_mutant
from tests.faults.hostile.originals import make_originals

SHOWN_MAX = 20


@click.command()
@click.option("--mutants", default=1000, show_default=True, help="How many damaged videos.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same mutants.")
@click.option("--at-once", default=2, show_default=True, help="Child processes.")
def main(mutants: int, seed: int, at_once: int) -> None:
    """Damage small videos and see that each ends with clips or with a reason, and in time."""
    logging.getLogger("vta_stream").setLevel(logging.ERROR)  # all are damaged; the outcomes say how it ended
    began_s = time.monotonic()
    first = seed * 1_000_000
    with tempfile.TemporaryDirectory(prefix="vta-hostile-") as name:
        originals = make_originals(Path(name))
        made = (make_mutant(originals, number) for number in range(first, first + mutants))
        with click.progressbar(made, length=mutants, label="damaged videos", file=sys.stderr) as shown:
            found = asyncio.run(examine(shown, Path(name), at_once))
    for kind, counted in sorted(found.outcomes.items()):
        click.echo(f"  {kind:<16}" + ", ".join(f"{outcome} {count}" for outcome, count in counted.most_common()))
    click.echo(f"{found.count} damaged videos in {time.monotonic() - began_s:.0f} s, {len(found.wrong)} ended badly")
    for wrong in found.wrong[:SHOWN_MAX]:
        click.echo(f"  {wrong}")
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
