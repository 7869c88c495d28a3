"""How each defect is planted: in what a video shows and tells, in its pictures, or in its file."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from vta_stream.toyworld.world.claims import holds, never_holds
from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.film import Look
from vta_stream.toyworld.world.grammar import Statement, parse
from vta_stream.toyworld.world.layout import draw_scene
from vta_stream.toyworld.world.narration import Window, narrate, on_sample_s, speak_in_a_row
from vta_stream.toyworld.world.plan import Line, Plan, Style, sentence_truth
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.scene import HEIGHT_PX, WIDTH_PX
from vta_stream.toyworld.world.speech import Voice
from vta_stream.toyworld.world.truth import Kind, ShotTruth
from vta_stream.toyworld.world.vocabulary import FOREIGN

SHORTEST_S = 30.0
SHIFTS_S = tuple(step / 10 for step in range(20, 61))
BURNT_TEXTS = (
    "LIKE AND SUBSCRIBE", "Breaking news: more at eight", "www.example.org/shapes", "Sale! 50 % off until Friday",
    "Episode 12 - part three", "Follow us for daily videos",
)  # fmt: skip
_BLUR_PX = 7.0
_DARK = 0.06
_TEXT_PX = 30

Tell = Callable[[random.Random, Realm, tuple[ShotTruth, ...], Voice, Style], tuple[Line, ...]]


def style_of(defect: Defect, variant: int, longest_s: float) -> Style:
    """How a video with this defect is laid out; of `too_short` there is a montage of flashes, and a mere second."""
    usual = Style((SHORTEST_S, max(SHORTEST_S, longest_s)))
    match defect:
        case Defect.STILL:
            return replace(usual, frozen=True, cuts_only=True)
        case Defect.SHIFTED:
            return replace(usual, shot_s=(5.0, 6.5), cuts_only=True, runs_max=1, filler_share=0.0)
        case Defect.TOO_SHORT if variant % 2:
            return Style((1.6, 1.6), (1.6, 1.6), pause_s=0.0, run_min_s=0.0, runs_max=1, filler_share=0.0, whole=True)
        case Defect.TOO_SHORT:
            return Style((12.0, 16.0), (1.2, 1.7), cuts_only=True, pause_s=0.3, filler_share=0.0, whole=True)
        case _:
            return usual


def tell_what_is_seen(
    rng: random.Random, realm: Realm, shots: tuple[ShotTruth, ...], voice: Voice, style: Style
) -> tuple[Line, ...]:
    """True sentences over each shot; where the style does without shots, over all of them about the first."""
    if style.whole:
        windows = [Window(0.0, shots[-1].end_s, shots[0].scene)]
    else:
        windows = [Window(shot.start_s, shot.end_s, shot.scene) for shot in shots]
    return narrate(rng, realm, windows, voice, style)


def tell_of_other_scenes(
    rng: random.Random, realm: Realm, shots: tuple[ShotTruth, ...], voice: Voice, style: Style
) -> tuple[Line, ...]:
    """Over each shot sentences that are true of a scene that is not shown, and at no time of the one that is."""
    windows = []
    for shot in shots:

        def is_wrong(statement: Statement, shown: ShotTruth = shot) -> bool:
            return never_holds(statement, shown.scene)

        other = draw_scene(rng, realm, shot.scene.duration_s, shot.scene)
        windows.append(Window(shot.start_s, shot.end_s, other, is_wrong))
    return narrate(rng, realm, windows, voice, style)


def tell_in_another_language(
    rng: random.Random, realm: Realm, shots: tuple[ShotTruth, ...], voice: Voice, style: Style
) -> tuple[Line, ...]:
    """Sentences of one other language, without regard for the shots."""
    language = rng.choice(sorted(FOREIGN))
    return speak_in_a_row(rng, FOREIGN[language], voice, language, shots[-1].end_s, style.pause_s)


def tell_nothing(*_: object) -> tuple[Line, ...]:
    """Nobody speaks."""
    return ()


TELL: dict[Defect, Tell] = {
    Defect.OTHER_SCENE: tell_of_other_scenes,
    Defect.FOREIGN: tell_in_another_language,
    Defect.NO_SPEECH: tell_nothing,
}
"""What is told where it is not what is seen."""


def shift_narration(plan: Plan, rng: random.Random) -> Plan | None:
    """All narration later, or sooner, by 2 to 6 s, so that most of it comes over another shot, wholly.

    Sentences that then hold for a part of the time, or are not wholly heard, are left out. None if some would be
    told over a cut whatever the shift, or if hardly any would be wrong.
    """
    best: tuple[int, Plan] | None = None
    for shift_s in rng.sample([sign * shift for shift in SHIFTS_S for sign in (1, -1)], 2 * len(SHIFTS_S)):
        shifted = tuple(replace(line, start_s=on_sample_s(line.start_s + shift_s)) for line in plan.lines)
        heard = [line for line in shifted if line.start_s >= 0 and line.ends_s < plan.duration_s]
        truths = [(line, sentence_truth(line, plan.shots)) for line in heard]
        if any(truth.shot is None for _, truth in truths):
            continue
        kept = tuple(line for line, one in truths if one.right or _never(line, plan.shots[one.shot or 0]))
        wrong = sum(not truth.right for line, truth in truths if line in kept)
        if best is None or wrong > best[0]:
            best = wrong, replace(plan, lines=kept, shift_s=shift_s)
    return best[1] if best and best[0] >= len(plan.shots) // 2 else None


def put_out_of_step(plan: Plan, rng: random.Random) -> Plan:
    """All sound later or sooner by 0.5 to 1 s, as after a bad cut: it ends so much after or before the picture."""
    shift_s = on_sample_s(rng.choice((-1, 1)) * rng.uniform(0.5, 1.0))
    lines = tuple(replace(line, start_s=on_sample_s(line.start_s + shift_s)) for line in plan.lines)
    return replace(
        plan, lines=tuple(line for line in lines if line.start_s >= 0), shift_s=shift_s, sound_shift_s=shift_s
    )


def look_of(plan: Plan) -> Look | None:
    """What is done to each picture; None if it stays as it is."""
    match plan.defect:
        case Defect.BLURRED:
            return _blur
        case Defect.DARK:
            return _darken
        case Defect.BURNT_TEXT:
            first = random.Random(plan.seed).randrange(len(BURNT_TEXTS))
            return lambda picture, shot: _letter(picture, BURNT_TEXTS[(first + shot) % len(BURNT_TEXTS)])
        case _:
            return None


def overwrite_head(path: Path, rng: random.Random) -> str:
    """Noise instead of the first kilobytes: no player knows what it is. What was done, in words."""
    garbage = rng.randbytes(4096)
    with path.open("r+b") as file:
        file.write(garbage)
    return "its first 4096 bytes are noise"


def cut_tail(path: Path, size_bytes: int) -> str:
    """Only the first bytes stay. What was done, in words."""
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size_bytes)
    return f"cut off after {size_bytes} of {whole} bytes"


def cut_in_pause(path: Path, plan: Plan) -> tuple[int, float]:
    """Where to cut a file whose index comes first, so that it breaks off in silence past its middle.

    The bytes to keep, and from when on there is no picture or no sound.
    """
    import av

    with av.open(str(path)) as container:
        packets = sorted(
            (packet.pos, packet.size, float(packet.pts * packet.time_base))
            for packet in container.demux()
            if packet.pos is not None and packet.pts is not None and packet.time_base is not None
        )
    lost_from_s = plan.duration_s
    quiet: list[tuple[float, int, float]] = []
    for position, _, time_s in reversed(packets):
        lost_from_s = min(lost_from_s, time_s)
        silence_s = min((_distance_s(line, lost_from_s) for line in plan.lines), default=lost_from_s)
        if 0.4 * plan.duration_s <= lost_from_s <= 0.8 * plan.duration_s:
            quiet.append((silence_s, position, lost_from_s))
    _, position, lost_from_s = max(quiet)
    return position, lost_from_s


def _distance_s(line: Line, time_s: float) -> float:
    return max(line.begins_s - time_s, time_s - line.ends_s)


def _never(line: Line, shot: ShotTruth) -> bool:
    statement = parse(line.text) if line.kind is Kind.STATEMENT else None
    return statement is None or (never_holds(statement, shot.scene) and not holds(statement, shot.scene))


def _blur(picture: Image.Image, shot: int) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(_BLUR_PX))


def _darken(picture: Image.Image, shot: int) -> Image.Image:
    return picture.point([round(value * _DARK) for value in range(256)] * 3)


def _letter(picture: Image.Image, text: str) -> Image.Image:
    layer = _letters(text)
    picture.paste(layer, (0, HEIGHT_PX - layer.height - 18), layer)
    return picture


@cache
def _letters(text: str) -> Image.Image:
    """A line of white letters on a dark strip, with what lies behind shining through."""
    font = ImageFont.load_default(_TEXT_PX)
    layer = Image.new("RGBA", (WIDTH_PX, _TEXT_PX + 16), (0, 0, 0, 120))
    ImageDraw.Draw(layer).text((WIDTH_PX / 2, layer.height / 2), text, (255, 255, 255, 255), font, anchor="mm")
    return layer
