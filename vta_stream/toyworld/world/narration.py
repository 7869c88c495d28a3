"""What is told in a video, and when: statements over the shot that they are about, pauses, and fillers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vta_stream.toyworld.world.claims import draw_statement
from vta_stream.toyworld.world.grammar import Statement
from vta_stream.toyworld.world.plan import Line, Style
from vta_stream.toyworld.world.realm import Realm, realm_of
from vta_stream.toyworld.world.scene import Scene
from vta_stream.toyworld.world.speech import RATE_HZ, Spoken, Voice, speak
from vta_stream.toyworld.world.truth import Kind
from vta_stream.toyworld.world.vocabulary import FILLERS

_SENTENCE_PAUSE_S = 0.25, 0.7
_RUN_PAUSE_S = 1.4, 2.4
_SENTENCES_MAX = 3
_LATE_S = 1.0
_TRIES = 8
_STATEMENT_TRIES = 400

Accepts = Callable[[Statement], bool]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the video in which one speaks about `scene`; `accepts` says which statements may be told."""

    start_s: float
    end_s: float
    scene: Scene
    accepts: Accepts = lambda statement: True


def narrate(
    rng: random.Random, realm: Realm, windows: Sequence[Window], voice: Voice, style: Style
) -> tuple[Line, ...]:
    """Runs of one to three true sentences in each window, and in some windows a filler before or after them."""
    lines: list[Line] = []
    for window in windows:
        teller = _Teller(rng, realm, window, voice, style)
        filler = rng.random() < style.filler_share
        at_s = window.start_s + style.pause_s + rng.uniform(0, _LATE_S)
        told = list(teller.runs(at_s))
        if not told:  # a late start was too late
            told = list(teller.runs(window.start_s + style.pause_s))
        lines += told
        if filler and told:
            lines += teller.filler(told[-1].ends_s + rng.uniform(*_RUN_PAUSE_S))
    return tuple(lines)


def speak_in_a_row(
    rng: random.Random, texts: Sequence[str], voice: Voice, language: str, until_s: float, pause_s: float
) -> tuple[Line, ...]:
    """These sentences of another language, again from the first if need be, up to `until_s`."""
    lines: list[Line] = []
    at_s = pause_s
    while True:
        spoken = speak(texts[len(lines) % len(texts)], voice, language)
        line = Line(texts[len(lines) % len(texts)], Kind.FOREIGN, spoken, on_sample_s(at_s))
        if line.ends_s > until_s - pause_s:
            return tuple(lines)
        lines.append(line)
        at_s = line.ends_s + rng.uniform(*_SENTENCE_PAUSE_S)


def on_sample_s(time_s: float) -> float:
    """The time of the sample of the sound that is nearest."""
    return round(time_s * RATE_HZ) / RATE_HZ


class _Teller:
    """Tells of one window, and nothing twice."""

    def __init__(self, rng: random.Random, realm: Realm, window: Window, voice: Voice, style: Style) -> None:
        self._rng = rng
        self._realm = realm
        self._window = window
        self._voice = voice
        self._style = style
        self._until_s = window.end_s - style.pause_s
        self._told: set[str] = set()

    def runs(self, at_s: float) -> Iterator[Line]:
        """Runs one after the other, from `at_s` on, as many as there is room for."""
        for _ in range(self._style.runs_max):
            run = next(filter(None, (self._run(at_s) for _ in range(_TRIES))), None)
            if run is None:
                return
            self._told.update(line.text for line in run)
            yield from run
            at_s = run[-1].ends_s + self._rng.uniform(*_RUN_PAUSE_S)

    def filler(self, at_s: float) -> Iterator[Line]:
        """A filler, if there is room."""
        text = self._rng.choice(FILLERS)
        line = self._line(text, Kind.FILLER, at_s)
        if line.ends_s <= self._until_s:
            yield line

    def _run(self, at_s: float) -> list[Line] | None:
        """Sentences told in one go; None if those that were drawn do not fit."""
        wanted = self._rng.randint(1, _SENTENCES_MAX)
        run: list[Line] = []
        while len(run) < wanted or run[-1].ends_s - run[0].begins_s < self._style.run_min_s:
            text = self._statement({line.text for line in run})
            if text is None:
                return None
            line = self._line(text, Kind.STATEMENT, at_s)
            if line.ends_s > self._until_s:
                done = run and run[-1].ends_s - run[0].begins_s >= self._style.run_min_s
                return run if done else None
            run.append(line)
            at_s = line.ends_s + self._rng.uniform(*_SENTENCE_PAUSE_S)
        return run

    def _statement(self, said: set[str]) -> str | None:
        for _ in range(_STATEMENT_TRIES):
            statement = draw_statement(self._window.scene, self._rng)
            if statement is None or not self._window.accepts(statement):
                continue
            text = statement.text
            if text not in said | self._told and realm_of(sentence_key(text)) == self._realm:
                return text
        return None

    def _line(self, text: str, kind: Kind, at_s: float) -> Line:
        spoken: Spoken = speak(text, self._voice)
        return Line(text, kind, spoken, on_sample_s(max(0.0, at_s - spoken.words[0].start_s)))


def sentence_key(text: str) -> str:
    """What decides the realm of a sentence: its words."""
    return f"sentence: {text}"
