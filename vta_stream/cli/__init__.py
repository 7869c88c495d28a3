"""The command line. Each command is a module of its own, imported only when it is called."""

from __future__ import annotations

import importlib
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vta_stream import __version__

if TYPE_CHECKING:
    from vta_stream.settings import Settings

COMMANDS = {
    "run": ("run", "Run the agents: all of them, or a subset."),
    "submit": ("submit", "Publish video IDs, URLs, files or folders."),
    "status": ("status", "Show the funnel, the lag and the rates."),
    "query": ("query", "Ask the dataset in SQL while it grows."),
    "verify": ("verify", "Check a whole dataset, and mend it."),
    "demo": ("demo", "Show it all on a small world, and judge it by the planted truth."),
    "toyworld": ("toyworld", "Make videos of a small world whose truth is known."),
    "doctor": ("doctor", "Say what is wrong here, and what mends it."),
    "topics": ("topics", "List, compare and create the topics."),
    "dead-letters": ("dead_letters", "List, explain and retry what failed."),
    "replay": ("replay", "Run one stage again on one video, and show what it does."),
}
"""Name -> module in this folder (its `command`) and the line of help, kept here so that help imports nothing."""


@dataclass
class Context:
    """What every command gets as `ctx.obj`. The settings are read when they are first asked for."""

    settings_file: Path | None
    data_dir: Path | None

    @property
    def settings(self) -> Settings:
        """The settings; errors in them end the command with one clear line."""
        from vta_stream.settings import SettingsError, load_settings

        try:
            settings = load_settings(self.settings_file)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error
        return settings.model_copy(update={"data_dir": self.data_dir}) if self.data_dir else settings


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table, which is the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None for an unknown name (click explains it)."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"vta_stream.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="vta-stream")
@click.option(
    "-s",
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="VTA_STREAM_SETTINGS",
    help="Settings file (.yaml, .toml, .json); also VTA_STREAM_SETTINGS.",
)
@click.option(
    "-d",
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of everything that is kept, instead of the settings' data_dir.",
)
@click.pass_context
def main(ctx: click.Context, settings_file: Path | None, data_dir: Path | None) -> None:
    """Turn an endless stream of video IDs into a video-text dataset that you query while it grows.

    Start with `vta-stream demo`, then `vta-stream run` in one terminal and `vta-stream submit ID` in another.
    """
    ctx.obj = Context(settings_file, data_dir)


def configure_logging(level: str) -> None:
    """Log lines to standard error, so that standard output stays for results.

    `level` is ours; libraries are held to warnings, since open_clip alone tells ten lines a model.
    """
    logging.basicConfig(
        level="WARNING", stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", force=True
    )
    logging.getLogger("vta_stream").setLevel(level)
