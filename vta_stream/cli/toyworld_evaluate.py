"""`vta-stream toyworld evaluate`: what the small models are worth on held-out scenes and sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vta_stream.toyworld.evaluation.hearing import HearingFigures
    from vta_stream.toyworld.evaluation.sight import SightFigures

_SAVED = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--only", type=click.Choice(["hearing", "sight"]), help="One of the two models alone.")
@click.option("--hearing", "hearing_folder", type=_SAVED, help="Another Whisper than the package's own.")
@click.option("--sight", "sight_folder", type=_SAVED, help="Another CoCa than the package's own.")
@click.option("--sentences", default=240, show_default=True, type=click.IntRange(6), help="Sentences of each kind.")
@click.option("--scenes", default=400, show_default=True, type=click.IntRange(1), help="Scenes to look at.")
@click.option("--seed", default=0, show_default=True, help="Another seed draws other sentences and scenes.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    only: str | None,
    hearing_folder: Path | None,
    sight_folder: Path | None,
    sentences: int,
    scenes: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure the small models on what they were not trained on, through the daemon's own loading code.

    Takes about three minutes on one core. Hearing needs espeak-ng.
    """
    from vta_stream.toyworld.corpus import HEARING, SIGHT

    figures: dict[str, Any] = {}
    if only != "sight":
        figures["hearing"] = asdict(_hearing(hearing_folder or HEARING, seed, sentences))
    if only != "hearing":
        figures["sight"] = asdict(_sight(sight_folder or SIGHT, seed, scenes))
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        _show(figures)


def _hearing(folder: Path, seed: int, sentences: int) -> HearingFigures:
    from vta_stream.ports import StageError
    from vta_stream.settings import Settings
    from vta_stream.toyworld.corpus import hearing_settings
    from vta_stream.toyworld.evaluation.hearing import evaluate_hearing
    from vta_stream.toyworld.world.speech import SpeechMissing
    from vta_stream.wiring import Pipeline

    recognizer = Pipeline(Settings(transcribe=hearing_settings(folder))).speech_recognizer()
    assert recognizer, "a model is named"
    try:
        recognizer.setup()
        return evaluate_hearing(recognizer, seed, sentences, lambda line: click.echo(line, err=True))
    except (StageError, SpeechMissing) as error:
        raise click.ClickException(str(error)) from error


def _sight(folder: Path, seed: int, scenes: int) -> SightFigures:
    from vta_stream.ports import StageError
    from vta_stream.settings import Settings
    from vta_stream.toyworld.evaluation.sight import measure_sight
    from vta_stream.wiring import Pipeline

    saved = {"name": str(folder)}
    models = Pipeline(Settings(models={"image_text": saved, "captions": saved})).models
    matcher, captioner = models.image_text(), models.captions()
    try:
        matcher.setup()
        captioner.setup()
        with click.progressbar(length=scenes, label="scenes", file=click.get_text_stream("stderr")) as bar:
            return measure_sight(matcher, captioner, scenes, seed, progress=lambda done, _: bar.update(done - bar.pos))
    except StageError as error:
        raise click.ClickException(str(error)) from error


def _show(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _flat(figures):
        table.add_row(name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


def _flat(figures: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}: ")
        else:
            yield f"{above}{name}", value
