"""`vta-stream demo`: the whole pipeline on the small world, and its decisions beside the planted truth."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from vta_stream.settings import Settings
    from vta_stream.toyworld.world.truth import CorpusTruth

FIGURES_FILE = "figures.json"
MARK = "made-by-vta-stream-demo"
WAIT_MAX_S = 1200.0
POLL_S = 1.0
LOG_LINES = 6
QUERY = (
    "SELECT count(*) AS clips, count(*) FILTER (accepted) AS accepted, "
    "count(DISTINCT video_id) AS videos, round(sum(duration_s), 1) AS seconds FROM clips"
)


@click.command()
@click.option(
    "--corpus",
    "corpus_dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Another corpus, made by `vta-stream toyworld build`. Default: the one that came with the package.",
)
@click.option("--videos", "count", type=click.IntRange(1), help="Only the first so many videos of it.")
@click.option(
    "--folder",
    default=Path("demo-data"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to work; what an earlier demo left there is removed first.",
)
@click.option(
    "--beside",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder of an earlier demo, say on another corpus: its figures are shown beside these.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON at the end, and nothing else.")
def command(corpus_dir: Path | None, count: int | None, folder: Path, beside: Path | None, as_json: bool) -> None:
    """Serve narrated videos on loopback, publish them, watch them become a dataset, and judge it by their truth.

    Everything is real but the world: yt-dlp fetches, the embedded broker delivers, the agents listen, cut, score and
    caption, DuckLake and shards grow. What is wrong with which video is known, so the end says which decisions were
    right. Nothing leaves this machine.
    """
    from rich.console import Console

    from vta_stream.cli.demo_page import write_demo_page
    from vta_stream.cli.demo_report import beside_table, figures_of, read_outcome, show_figures
    from vta_stream.settings import load_settings
    from vta_stream.toyworld.corpus import SHIPPED, served_urls
    from vta_stream.toyworld.server import ToyServer

    started_s = time.monotonic()
    console = Console(stderr=as_json, quiet=as_json, highlight=False)
    corpus_dir = corpus_dir or SHIPPED
    truth, other = _read_corpus(corpus_dir, count), _read_figures(beside) if beside else None
    _clear(folder)
    settings_file = _write_settings(folder)
    settings = load_settings(settings_file, {})
    with ToyServer(corpus_dir) as server, _worker(settings_file, console) as worker:
        urls = served_urls(truth, server.url("").rstrip("/"))
        console.print(f"[dim]•[/] publishing {len(urls)} URLs; yt-dlp fetches them from a web server on loopback")
        _vta_stream(settings_file, "submit", *urls)
        queried = _watch(settings, settings_file, worker, len(urls), console)
    outcome = read_outcome(settings, truth, urls)
    page = write_demo_page(folder / "demo.html", settings, outcome, corpus_dir)
    figures = {
        **figures_of(outcome, settings),
        "queried_while_writing": queried,
        "corpus": {"folder": str(corpus_dir), "realm": truth.realm.value, "seed": truth.seed},
        "page": str(page.absolute()),
        "took_s": round(time.monotonic() - started_s, 1),
    }
    (folder / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps({**figures, "beside": other} if other else figures, indent=2))
    else:
        show_figures(figures, outcome, settings_file, QUERY, console)
        if other:
            console.print("", beside_table(figures, other))
    sys.exit(0 if figures["unfinished"] == 0 and figures["clips"]["accepted"] > 0 else 1)


def _read_corpus(corpus_dir: Path, count: int | None) -> CorpusTruth:
    """The truth of the first `count` videos of a corpus, or of all."""
    from vta_stream.toyworld.world.truth import read_truth

    try:
        truth = read_truth(corpus_dir)
    except FileNotFoundError as error:
        made = "`vta-stream toyworld build FOLDER` makes a corpus"
        raise click.ClickException(f"{corpus_dir} is no corpus of the small world ({error}); {made}") from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    return replace(truth, videos=truth.videos[:count])


def _read_figures(folder: Path) -> dict[str, Any]:
    """What an earlier demo left in its folder."""
    try:
        figures: dict[str, Any] = json.loads((folder / FIGURES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"no demo has ended in {folder}: {error}") from error
    return figures


def _write_settings(folder: Path) -> Path:
    import yaml

    from vta_stream.toyworld.corpus import demo_settings

    settings_file = folder / "settings.yaml"
    settings_file.write_text(
        "# Made by `vta-stream demo`; use it with: vta-stream -s THIS_FILE COMMAND\n"
        + yaml.safe_dump(demo_settings(folder.absolute() / "data"), sort_keys=False),
        encoding="utf-8",
    )
    return settings_file


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise click.ClickException(f"{folder} is not empty and no demo made it; choose another --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _vta_stream(settings_file: Path, *arguments: str) -> str:
    """Run a command as a user would, in a process of its own; its standard output."""
    line = [sys.executable, "-m", "vta_stream", "-s", str(settings_file), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"`vta-stream {arguments[0]}` ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _worker(settings_file: Path, console: Console) -> Iterator[subprocess.Popen[bytes]]:
    """`vta-stream run` in a process of its own, its log in a file; stopped at the end as by Ctrl-C."""
    log = _log(settings_file)
    console.print(f"[dim]•[/] starting `vta-stream run` with its embedded broker; its log is {log}", soft_wrap=True)
    with log.open("wb") as output:
        line = [sys.executable, "-m", "vta_stream", "-s", str(settings_file), "run"]
        worker = subprocess.Popen(line, stdout=output, stderr=output, start_new_session=True)
        try:
            yield worker
        finally:
            if worker.poll() is None:
                worker.send_signal(signal.SIGINT)
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _watch(
    settings: Settings, settings_file: Path, worker: subprocess.Popen[bytes], count: int, console: Console
) -> dict[str, Any]:
    """Show the funnel until all videos have ended; ask the dataset once from another process meanwhile."""
    from rich.live import Live

    from vta_stream.cli.status import render
    from vta_stream.status import read_status

    queried: dict[str, Any] = {}
    until_s = time.monotonic() + WAIT_MAX_S
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while time.monotonic() < until_s:
            status = read_status(settings)
            live.update(render(status), refresh=True)
            if not queried and status.funnel.get("clips accepted", 0):
                queried = json.loads(_vta_stream(settings_file, "query", "--json", QUERY))
            ended = status.funnel.get("videos done", 0) + status.funnel.get("videos failed", 0)
            if ended >= count:
                return queried
            if worker.poll() is not None:
                told = _log(settings_file).read_text(errors="replace").splitlines()[-LOG_LINES:]
                raise click.ClickException("\n".join(["the worker ended; the end of its log says why:", *told]))
            time.sleep(POLL_S)
    raise click.ClickException(f"not done after {WAIT_MAX_S:.0f} s; see {_log(settings_file)}")


def _log(settings_file: Path) -> Path:
    return settings_file.with_name("worker.log")
