"""`vta-stream demo`: the whole pipeline on short videos made by code."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from vta_stream.settings import Settings
    from vta_stream.toyworld.corpus import Corpus

MARK = "made-by-vta-stream-demo"
WAIT_MAX_S = 600.0
QUERY = (
    "SELECT count(*) AS clips, count(*) FILTER (accepted) AS accepted, "
    "count(DISTINCT video_id) AS videos, round(sum(duration_s), 1) AS seconds FROM clips"
)


@click.command()
@click.option("--videos", "count", default=10, show_default=True, type=click.IntRange(1, 1000), help="Videos to make.")
@click.option("--seed", default=0, show_default=True, help="Another seed makes other videos.")
@click.option(
    "--folder",
    default=Path("demo-data"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to work; what an earlier demo left there is removed first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON at the end, and nothing else.")
def command(count: int, seed: int, folder: Path, as_json: bool) -> None:
    """Make short videos, serve them on loopback, publish them, and watch them become a dataset.

    Everything is real but the content: yt-dlp fetches, the embedded broker delivers, the agents cut, score
    and embed, DuckLake and shards grow. The models are small and untrained. Nothing leaves this machine.
    """
    from rich.console import Console

    from vta_stream.cli.demo_report import read_figures, show_figures
    from vta_stream.settings import load_settings
    from vta_stream.toyworld.corpus import make_corpus
    from vta_stream.toyworld.server import ToyServer

    console = Console(stderr=as_json, quiet=as_json)
    _clear(folder)
    corpus = make_corpus(folder, count, seed, lambda step: console.print(f"[dim]•[/] {step}"))
    settings = load_settings(corpus.settings_file, {})
    with ToyServer(folder / "videos") as server, _worker(corpus, console) as worker:
        urls = corpus.urls(server.url("").rstrip("/"))
        console.print(f"[dim]•[/] publishing {len(urls)} URLs; yt-dlp fetches them from a web server on loopback")
        _vta_stream(corpus, "submit", *urls)
        queried = _watch(settings, corpus, worker, len(urls), console)
    figures = read_figures(settings, urls, queried)
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        show_figures(figures, corpus, QUERY, console)
    sys.exit(0 if figures["unfinished"] == 0 and figures["clips"]["accepted"] > 0 else 1)


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise click.ClickException(f"{folder} is not empty and no demo made it; choose another --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _vta_stream(corpus: Corpus, *arguments: str) -> str:
    """Run a command as a user would, in a process of its own; its standard output."""
    line = [sys.executable, "-m", "vta_stream", "-s", str(corpus.settings_file), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"`vta-stream {arguments[0]}` ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _worker(corpus: Corpus, console: Console) -> Iterator[subprocess.Popen[bytes]]:
    """`vta-stream run` in a process of its own, its log in a file; stopped at the end as by Ctrl-C."""
    log = corpus.folder / "worker.log"
    console.print(f"[dim]•[/] starting `vta-stream run` with its embedded broker; its log is {log}")
    with log.open("wb") as output:
        line = [sys.executable, "-m", "vta_stream", "-s", str(corpus.settings_file), "run"]
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
    settings: Settings, corpus: Corpus, worker: subprocess.Popen[bytes], count: int, console: Console
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
                queried = json.loads(_vta_stream(corpus, "query", "--json", QUERY))
            ended = status.funnel.get("videos done", 0) + status.funnel.get("videos failed", 0)
            if ended >= count:
                return queried
            if worker.poll() is not None:
                raise click.ClickException(f"the worker ended; its log says why: {corpus.folder / 'worker.log'}")
            time.sleep(0.5)
    raise click.ClickException(f"not done after {WAIT_MAX_S:.0f} s; see {corpus.folder / 'worker.log'}")
