"""How well a model sees: held-out scenes, what is rightly and wrongly said of them, and captions.

A match is measured as the pipeline does it: the best cosine of a text and the first, middle and last frame of a
shot, each through JPEG. Texts hold throughout the shot; wrong ones hold at no time of it.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vta_stream.toyworld.world.claims import draw_statement, hard_negative, holds_at, never_holds
from vta_stream.toyworld.world.composing import compose_scene
from vta_stream.toyworld.world.grammar import Statement, parse
from vta_stream.toyworld.world.picture import render
from vta_stream.toyworld.world.realm import Realm, rng_of
from vta_stream.toyworld.world.scene import Scene
from vta_stream.toyworld.world.vocabulary import FILLERS, Attribute

if TYPE_CHECKING:
    from vta_stream.ports import CaptionModel, ImageTextModel
    from vta_stream.ports.models import Images, Vectors

SEEN = tuple(one for one in Attribute if one is not Attribute.MOTION)
"""What a single picture shows."""

LIMIT = 0.2
"""The default limit of the filters clip_match and caption_match."""

_SHOT_S = 4.0
_CHUNK = 25
_TRIES = 12


@dataclass
class Scores:
    """Match values, of texts that hold and of texts that do not."""

    right: list[float] = field(default_factory=list)
    wrong: list[float] = field(default_factory=list)

    @property
    def auc(self) -> float | None:
        """How often a right one is above a wrong one, whichever scenes they are of; ties count half.

        None where there is nothing to compare.
        """
        if not self.right or not self.wrong:
            return None
        wrong = np.sort(self.wrong)
        below, up_to = (np.searchsorted(wrong, self.right, side=side) for side in ("left", "right"))
        return float((below + up_to).mean() / 2 / len(wrong))


@dataclass(frozen=True)
class SightFigures:
    """Shares and areas are 0 to 1. `accepted`, `refused`: of right narrations, and of other scenes' ones, by LIMIT.

    `captions_right`: captions that are sentences of the grammar, name every group with count, size, colour and
    shape, and hold.
    """

    scenes: int
    auc_other_scene: float | None
    auc_filler: float | None
    auc_by_attribute: dict[str, float | None]
    accepted: float
    refused: float
    captions_right: float | None


@dataclass(frozen=True)
class _Shot:
    scene: Scene
    frames: list[Images]


def measure_sight(
    matcher: ImageTextModel,
    captioner: CaptionModel | None,
    scenes: int = 400,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SightFigures:
    """Measure on so many held-out scenes; without a captioner, no captions. `progress` gets done and all scenes."""
    rng = rng_of(Realm.HELD_OUT, seed, "sight")
    other, fillers, by_attribute = Scores(), Scores(), {kind.value: Scores() for kind in SEEN}
    captions_right = 0
    for first in range(0, scenes, _CHUNK):
        shots = [_shot(rng) for _ in range(min(_CHUNK, scenes - first))]
        frames = matcher.embed_images([frame for shot in shots for frame in shot.frames])
        frames = frames.reshape(len(shots), -1, matcher.dim)
        for scores, texts in _questions(shots, rng, other, fillers, by_attribute):
            _match(matcher, frames, scores, texts)
        if captioner is not None:
            said = captioner.caption([shot.frames[1] for shot in shots])
            captions_right += sum(
                is_full_caption(text, shot.scene, _SHOT_S / 2) for text, shot in zip(said, shots, strict=True)
            )
        progress(min(first + _CHUNK, scenes), scenes)
    return SightFigures(
        scenes=scenes,
        auc_other_scene=other.auc,
        auc_filler=fillers.auc,
        auc_by_attribute={name: scores.auc for name, scores in by_attribute.items()},
        accepted=float(np.mean(np.array(other.right) >= LIMIT)),
        refused=float(np.mean(np.array(other.wrong) < LIMIT)),
        captions_right=None if captioner is None else captions_right / scenes,
    )


def is_full_caption(text: str, scene: Scene, time_s: float) -> bool:
    """Whether it says of every group how many, how large, of which colour and shape, and is true at this time."""
    statement = parse(text)
    if statement is None or len(statement.mentions()) != len(scene.groups):
        return False
    named = all(one.size and one.colour and one.shape for one in statement.mentions())
    return named and holds_at(statement, scene, time_s)


def _shot(rng: random.Random) -> _Shot:
    scene = compose_scene(rng, Realm.HELD_OUT, _SHOT_S)
    return _Shot(scene, [_through_jpeg(render(scene, time_s)) for time_s in (0.0, _SHOT_S / 2, _SHOT_S)])


def _through_jpeg(picture: Image.Image) -> Images:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95)
    with Image.open(stream) as opened:
        return np.asarray(opened.convert("RGB"))


def _questions(
    shots: list[_Shot], rng: random.Random, other: Scores, fillers: Scores, by_attribute: dict[str, Scores]
) -> Iterator[tuple[Scores, list[tuple[str | None, str | None]]]]:
    """Where the answers go, and for each shot a right and a wrong text; None where there is none."""
    right = [_narration(shot.scene, rng) for shot in shots]
    yield other, [(_joined(mine), _foreign(shot.scene, shots, rng)) for mine, shot in zip(right, shots, strict=True)]
    yield fillers, [(_joined(mine), rng.choice(FILLERS)) for mine in right]
    for name, scores in by_attribute.items():
        yield scores, [_altered(shot.scene, Attribute(name), rng) for shot in shots]


def _narration(scene: Scene, rng: random.Random) -> list[Statement]:
    """One or two sentences that hold throughout."""
    drawn = (draw_statement(scene, rng) for _ in range(rng.choice((1, 2))))
    return [statement for statement in drawn if statement]


def _joined(statements: list[Statement]) -> str:
    return " ".join(one.text for one in statements)


def _foreign(scene: Scene, shots: list[_Shot], rng: random.Random) -> str | None:
    """What holds of another scene and in no part of this one."""
    for _ in range(_TRIES):
        statements = _narration(rng.choice(shots).scene, rng)
        if all(never_holds(_visible(one), scene) for one in statements):
            return _joined(statements)
    return None


def _visible(statement: Statement) -> Statement:
    """Without the motion, which no frame shows."""
    return replace(statement, kind="presence", predicate="") if statement.kind == "motion" else statement


def _altered(scene: Scene, attribute: Attribute, rng: random.Random) -> tuple[str | None, str | None]:
    """A sentence that holds, and the same with this attribute wrong."""
    kind = attribute.value if attribute in (Attribute.PLACE, Attribute.RELATION) else None
    for _ in range(_TRIES):
        right = draw_statement(scene, rng, kind)
        wrong = hard_negative(right, scene, attribute, rng) if right else None
        if right and wrong and never_holds(_visible(wrong), scene):
            return right.text, wrong.text
    return None, None


def _match(
    matcher: ImageTextModel, frames: Vectors, scores: Scores, texts: list[tuple[str | None, str | None]]
) -> None:
    """Add the match of each text that there is to the scores. `frames`: shots x frames x dim."""
    for column, found in enumerate((scores.right, scores.wrong)):
        rows = [index for index, pair in enumerate(texts) if pair[column]]
        if rows:
            vectors = matcher.embed_texts([texts[index][column] or "" for index in rows])
            found.extend(np.einsum("nfd,nd->nf", frames[rows], vectors).max(axis=1).tolist())
