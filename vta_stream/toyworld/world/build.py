"""A corpus: many videos, their subtitles and their truth in one folder, made in parallel and resumable."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vta_stream.toyworld.world.making import make_video
from vta_stream.toyworld.world.planning import LONGEST_S, Order, orders
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.speech import SpeechMissing
from vta_stream.toyworld.world.truth import TRUTH_FILE, CorpusTruth, join_truth, read_truth

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess as Process

Say = Callable[[str], None]

_UNFINISHED = ".building"
_HEAD_FILE = "corpus.json"


class CorpusError(Exception):
    """The folder cannot take this corpus; the text says why, and what to do."""


def build_corpus(
    folder: Path, realm: Realm, seed: int, count: int, say: Say, *, longest_s: float = LONGEST_S, jobs: int = 1
) -> Path:
    """Make the first `count` videos of a corpus in `folder`, and `truth.json` at the very end; returns its path.

    The same realm, seed, count and `longest_s` make the same truth to the byte, whatever `jobs` (processes), and with
    the same libraries the same videos. A build that was broken off goes on where it was, and leaves what is whole.
    `say` gets a line for each video. CorpusError: the folder holds something else. SpeechMissing: no espeak-ng.
    """
    head = CorpusTruth(realm, seed, (), longest_s)
    ordered = orders(realm, seed, count, longest_s)
    if _is_complete(folder, head, ordered):
        say(f"{folder} holds these {count} videos already")
        return folder / TRUTH_FILE
    parts = _begin(folder, head, count)
    missing = [order for order in ordered if not _part(parts, order).exists()]
    if len(missing) < count:
        say(f"{count - len(missing)} of {count} videos are there already")
    for done, order in enumerate(_make(missing, folder, parts, jobs), count - len(missing) + 1):
        say(f"{done} of {count}: {order.name}")
    path = join_truth(head, (_part(parts, order).read_bytes() for order in ordered), folder)
    shutil.rmtree(parts)
    return path


def _is_complete(folder: Path, head: CorpusTruth, ordered: Sequence[Order]) -> bool:
    """Whether the corpus is there; CorpusError if there is another one."""
    if not (folder / TRUTH_FILE).exists():
        return False
    truth = read_truth(folder)
    same = (truth.realm, truth.seed, truth.longest_s) == (head.realm, head.seed, head.longest_s)
    if not same or [video.name for video in truth.videos] != [order.name for order in ordered]:
        raise CorpusError(f"{folder} holds another corpus; choose another folder, or remove it")
    lost = [video.name for video in truth.videos if video.duration_s and not (folder / video.name).exists()]
    if lost:
        raise CorpusError(f"{folder} lacks {lost[0]} of its {TRUTH_FILE}; remove the folder and build it again")
    return True


def _begin(folder: Path, head: CorpusTruth, count: int) -> Path:
    """The folder in which the truth of each video is kept until all are made."""
    parts = folder / _UNFINISHED
    begun = msgspec.json.encode([head, count])
    if not parts.exists():
        if folder.exists() and any(folder.iterdir()):
            raise CorpusError(f"{folder} is not empty, and no corpus was begun in it; choose another folder")
        parts.mkdir(parents=True)
        (parts / _HEAD_FILE).write_bytes(begun)
    elif (parts / _HEAD_FILE).read_bytes() != begun:
        raise CorpusError(f"{folder} holds the beginning of another corpus; choose another folder, or remove it")
    return parts


def _make(missing: Sequence[Order], folder: Path, parts: Path, jobs: int) -> Iterator[Order]:
    """Each order when it is done, made in a new process: speech is the same only in one that has not spoken yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([make_video.__module__])
    todo = iter(missing)
    running: dict[Connection, tuple[Process, Order]] = {}
    try:
        while True:
            for order in islice(todo, jobs - len(running)):
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_make_one, args=(order, folder, parts, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = process, order
            if not running:
                return
            ready = wait(list(running))
            for answer in [one for one in running if one in ready]:
                process, order = running.pop(answer)
                _check(process, order, answer)
                yield order
    finally:
        for process, _ in running.values():
            process.terminate()
            process.join()


def _check(process: Process, order: Order, answer: Connection) -> None:
    """Raise what the process raised."""
    try:
        error = answer.recv()
    except EOFError:
        process.join()
        raise CorpusError(f"making {order.name} ended with exit code {process.exitcode}; build it again") from None
    process.join()
    if error is not None:
        raise error


def _make_one(order: Order, folder: Path, parts: Path, answer: Connection) -> None:
    try:
        truth = make_video(order, folder)
        path = _part(parts, order)
        written = path.with_suffix(".part")
        written.write_bytes(msgspec.json.encode(truth))
        written.replace(path)
    except (SpeechMissing, OSError) as error:
        answer.send(error)
    else:
        answer.send(None)


def _part(parts: Path, order: Order) -> Path:
    return parts / f"{order.number:06d}.json"
