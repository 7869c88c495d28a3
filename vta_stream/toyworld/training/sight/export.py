"""From the checkpoint to the folder that is shipped: weights, tokenizer, curves, figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vta_stream.toyworld.training.sight.loop import Training
from vta_stream.toyworld.training.sight.model import write_model


def export(training: Training, folder: Path, tell: Callable[[str], None]) -> None:
    """Write the averaged weights as open_clip reads them, then measure them through the pipeline's own loading code."""
    write_model(folder, training.state())
    curve = [json.loads(line) for line in (training.run.work / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
    draw_curves(curve, folder / "curves.png")
    tell("measuring on held-out scenes")
    command = ["-m", "vta_stream", "toyworld", "evaluate", "--only", "sight", "--json", "--sight", str(folder)]
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
    run = training.run
    figures = {
        "command": f"python -m vta_stream.toyworld.training.sight --work FOLDER --steps {run.steps}"
        f" --scenes {run.scenes} --crowds {run.crowds} --seed {run.seed} --out FOLDER",
        "steps": training.step,
        "seconds": round(training.seconds),
        "device": training.device,
        "held_out": json.loads(done.stdout)["sight"],
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def draw_curves(curve: list[dict[str, float]], path: Path) -> None:
    """Losses above, areas under the curve on held-out scenes below; a resumed step counts as it came last."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    losses = [point for point in curve if "seconds" in point]
    for axes, points in ((above, losses), (below, [point for point in curve if "seconds" not in point])):
        for name in dict.fromkeys(name for point in points for name in point if name not in ("step", "seconds")):
            values = {point["step"]: point[name] for point in points if name in point}
            axes.plot(sorted(values), [values[step] for step in sorted(values)], label=name)
        axes.grid(alpha=0.3)
        axes.legend(loc="best", fontsize="small")
    above.set(ylabel="loss", yscale="log", title="The eyes of the small world")
    below.set(ylabel="AUC, held-out scenes", xlabel="step")
    figure.savefig(path, dpi=110)
