"""One self-contained page of a dataset: figures on top, then accepted and rejected clips side by side.

Everything that comes from videos (texts, captions, IDs, reasons) is untrusted: the template escapes all of it, and the
page's own policy forbids scripts and whatever is not in the file.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vta_stream.domain.verdict import Verdict
from vta_stream.report.dataset import ShownClip, ShownDataset

if TYPE_CHECKING:
    from jinja2 import Template

Tone = Literal["good", "bad", "plain", "quiet"]

SHOWN_MAX = 96
"""Clips a column: with pictures of some 12 kB, the page stays far below 5 MB."""

_KEY_SCORES = ("clip_match", "caption_match", "motion", "asr_confidence")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that matters, and what it means."""

    value: str
    label: str
    note: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of the funnel. Those that are `inset` are parts of the last one that is not, and drawn against it."""

    label: str
    count: int
    tone: Tone = "plain"
    inset: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; each row has a tone and as many cells as `head`."""

    title: str
    lead: str
    head: tuple[str, ...]
    rows: tuple[tuple[Tone, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """What somebody who knows the truth says of a clip: a headline, and each sentence with a tone.

    `bad` as the tone of it all: the decision on this clip was wrong.
    """

    headline: str
    tone: Tone = "plain"
    sentences: tuple[tuple[Tone, str, str], ...] = ()
    """Tone, text, and what is to be said of it."""


@dataclass(frozen=True, slots=True)
class Page:
    """All that is on it. `pictures` are JPEGs by clip ID; a clip without one is shown without."""

    title: str
    lead: str
    figures: tuple[Figure, ...] = ()
    funnel: tuple[Bar, ...] = ()
    tables: tuple[Table, ...] = ()
    remarks: Mapping[str, Remark] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    footer: tuple[str, ...] = ()


def chosen_clips(clips: Sequence[ShownClip], remarks: Mapping[str, Remark], count: int = SHOWN_MAX) -> list[ShownClip]:
    """At most so many: those that were decided wrongly first, then some of every headline and reason in turn.

    In the order of `clips`, but that wrong ones stand before all others.
    """
    wrong = [clip for clip in clips if _is_wrong(clip, remarks)]
    queues: dict[tuple[str, ...], list[ShownClip]] = defaultdict(list)
    for clip in clips:
        if not _is_wrong(clip, remarks):
            headline = remarks[clip.clip_id].headline if clip.clip_id in remarks else ""
            queues[headline, *sorted(verdict.filter for verdict in clip.refusals)].append(clip)
    taken: set[str] = set()
    while queues and len(wrong) + len(taken) < count:
        for key in list(queues):
            if len(wrong) + len(taken) < count:
                taken.add(queues[key].pop(0).clip_id)
            if not queues[key]:
                del queues[key]
    return [*wrong[:count], *(clip for clip in clips if clip.clip_id in taken)]


def render(page: Page, dataset: ShownDataset, shown: Iterable[ShownClip]) -> str:
    """The HTML of a page that shows these clips of the dataset."""
    clips = list(shown)
    columns = [
        ("Accepted", "good", len(dataset.accepted), [_card(clip, page) for clip in clips if clip.accepted]),
        ("Rejected", "bad", len(dataset.rejected), [_card(clip, page) for clip in clips if not clip.accepted]),
    ]
    return _template().render(page=page, columns=columns, bars=_bars(page.funnel))


def write_page(path: Path, html: str) -> None:
    """Write it in one step: a reader sees the old page or the new one, never half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(html)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _bars(funnel: Iterable[Bar]) -> list[tuple[Bar, float]]:
    """Each bar with its length in per cent."""
    drawn, whole = [], 0
    for bar in funnel:
        whole = whole if bar.inset else bar.count
        drawn.append((bar, round(100 * min(1.0, bar.count / whole), 1) if whole else 0.0))
    return drawn


def _is_wrong(clip: ShownClip, remarks: Mapping[str, Remark]) -> bool:
    return clip.clip_id in remarks and remarks[clip.clip_id].tone == "bad"


def _card(clip: ShownClip, page: Page) -> dict[str, object]:
    picture = page.pictures.get(clip.clip_id)
    refusals = {verdict.filter for verdict in clip.refusals}
    key = [verdict for verdict in clip.verdicts if verdict.filter in (*_KEY_SCORES, *refusals)]
    return {
        "clip": clip,
        "when": f"{_clock(clip.span.start_s)} – {_clock(clip.span.end_s)}",
        "picture": base64.b64encode(picture).decode() if picture else "",
        "written": [caption for caption in clip.captions if caption.model is not None],
        "meters": [_meter(verdict) for verdict in key if verdict.value is not None and verdict.limit is not None],
        "remark": page.remarks.get(clip.clip_id),
    }


def _meter(verdict: Verdict) -> dict[str, object]:
    """The value on a scale from nothing to twice the limit, with the limit in the middle."""
    assert verdict.value is not None, "who asks has looked"
    assert verdict.limit is not None, "here too"
    share = verdict.value / (2 * verdict.limit) if verdict.limit > 0 else 0.5 + (verdict.value - verdict.limit) / 2
    return {
        "name": verdict.filter.replace("_", " "),
        "value": f"{verdict.value:.3g}",
        "limit": f"{verdict.limit:.3g}",
        "keep": verdict.keep,
        "at": round(100 * min(1.0, max(0.0, share)), 1),
    }


def _clock(time_s: float) -> str:
    return f"{int(time_s // 60)}:{time_s % 60:04.1f}"


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vta_stream.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
