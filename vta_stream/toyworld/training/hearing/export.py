"""From the checkpoint to the folder that is shipped: CTranslate2's model, curves, figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vta_stream.toyworld.training.hearing.course import LESSONS, weights
from vta_stream.toyworld.training.hearing.network import DECODER_LAYERS, GUIDED_HEAD
from vta_stream.toyworld.training.hearing.windows import Lesson
from vta_stream.toyworld.whisper_format import convert

_LOSSES = ("pieces", "guide", "sounds")


def export(work: Path, seed: int, folder: Path, tell: Callable[[str], None]) -> None:
    """Write the network as it was saved last, then measure it through the pipeline's own loading code."""
    network, pieces, steps = weights(work, seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    convert(network.whisper, pieces.tokenizer, folder, [(DECODER_LAYERS - 1, GUIDED_HEAD)])
    curve = [json.loads(line) for line in (work / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
    draw_curves([point for point in curve if point["step"] <= steps], LESSONS, folder / "curves.png")
    tell("measuring on held-out speech")
    command = ["-m", "vta_stream", "toyworld", "evaluate", "--only", "hearing", "--json", "--hearing", str(folder)]
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
    figures = {
        "command": f"python -m vta_stream.toyworld.training.hearing --work FOLDER --seed {seed} --out FOLDER",
        "steps": steps,
        "of": sum(lesson.steps for lesson in LESSONS),
        "held_out": json.loads(done.stdout)["hearing"],
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    tell(json.dumps(figures))


def draw_curves(curve: list[dict[str, float]], lessons: Sequence[Lesson], path: Path) -> None:
    """The losses over the steps, the lessons marked; a step that was taken again counts as it came last."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for name in _LOSSES:
        values = {point["step"]: point[name] for point in curve if name in point}
        axes.plot(sorted(values), [values[step] for step in sorted(values)], label=name)
    first = 0
    for lesson in lessons:
        axes.axvline(first, color="0.7", linewidth=0.8)
        said = "1 sentence" if lesson.sentences == 1 else f"{lesson.sentences} sentences"
        axes.text(first, 1.01, f" {said}", fontsize="x-small", transform=axes.get_xaxis_transform())
        first += lesson.steps
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize="small")
    axes.set(ylabel="loss", yscale="log", xlabel="step", title="The ears of the small world\n")
    figure.savefig(path, dpi=110)
