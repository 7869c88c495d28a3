"""`vta-stream toyworld`: the small world with planted truth."""

from __future__ import annotations

from pathlib import Path

import click

from vta_stream.cli.toyworld_evaluate import evaluate


@click.group()
def command() -> None:
    """Make videos of a small world whose truth is known, and measure the small models on it."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--videos", "count", default=32, show_default=True, type=click.IntRange(1), help="Videos to make.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed makes other videos.")
@click.option(
    "--realm",
    default="demo",
    show_default=True,
    type=click.Choice(["demo", "held-out"]),
    help="Whose scenes, sentences and voices: the demo's, or those that no threshold was set with.",
)
@click.option(
    "--longest",
    "longest_s",
    default=180.0,
    show_default=True,
    type=click.FloatRange(30),
    help="Videos last from 30 to so many seconds, and up to six more, since they end with a whole shot.",
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Videos made at a time.")
def build(folder: Path, count: int, seed: int, realm: str, longest_s: float, jobs: int) -> None:
    """Make a corpus: narrated videos with planted defects, subtitles for some, and truth.json.

    Of each 32 videos 14 are good, and the others show every class of defect. The same options make the same corpus;
    the one that the demo plays is `--seed 0 --longest 30`. A build that was broken off goes on when it is called again.
    """
    from vta_stream.toyworld.world.build import CorpusError, build_corpus
    from vta_stream.toyworld.world.realm import Realm
    from vta_stream.toyworld.world.speech import SpeechMissing

    try:
        truth = build_corpus(
            folder,
            Realm(realm.replace("-", "_")),
            seed,
            count,
            lambda line: click.echo(line, err=True),
            longest_s=longest_s,
            jobs=jobs,
        )
    except (CorpusError, SpeechMissing, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(truth)


command.add_command(evaluate)
