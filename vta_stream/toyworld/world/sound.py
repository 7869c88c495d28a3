"""The sound of a video: its narration over a breath of noise, or music where nobody speaks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vta_stream.toyworld.world.defect import Defect
from vta_stream.toyworld.world.plan import Plan
from vta_stream.toyworld.world.speech import RATE_HZ

_NOISE = 0.0008  # of full scale: about -62 dB
_PEAK = 0.6
_NOTES_HZ = (220.0, 246.9, 277.2, 329.6, 370.0, 440.0)
_NOTE_S, _NOTE_PEAK = 0.5, 0.12

Samples = npt.NDArray[np.float32]


def mix(plan: Plan) -> Samples:
    """The whole sound of a plan, mono at 16 kHz; as long as the picture but for the plan's `sound_shift_s`."""
    rng = np.random.default_rng([ord(character) for character in plan.seed])
    length = round((plan.duration_s + plan.sound_shift_s) * RATE_HZ)
    sound = rng.normal(0, _NOISE, length)
    if plan.defect is Defect.NO_SPEECH:
        sound += _music(rng, length)
    peak = max((float(np.abs(line.spoken.samples).max()) for line in plan.lines), default=1.0)
    for line in plan.lines:
        first = round(line.start_s * RATE_HZ)
        samples = line.spoken.samples[max(0, -first) : length - first] * (_PEAK / peak)
        sound[max(0, first) : max(0, first) + len(samples)] += samples
    return np.clip(sound, -1.0, 1.0).astype(np.float32)


def _music(rng: np.random.Generator, length: int) -> npt.NDArray[np.float64]:
    """Plucked notes, one each half second."""
    music = np.zeros(length)
    step = round(_NOTE_S * RATE_HZ)
    times_s = np.arange(2 * step) / RATE_HZ
    for first in range(0, length, step):
        pitch_hz = rng.choice(_NOTES_HZ)
        note = sum(np.sin(2 * np.pi * pitch_hz * over * times_s) / over**2 for over in (1, 2, 3))
        note = _NOTE_PEAK * note * np.exp(-4 * times_s) * np.minimum(1, times_s / 0.01)
        music[first : first + len(note)] += note[: length - first]
    return music
