"""Speech recognition by faster-whisper."""

from __future__ import annotations

import logging
import threading
import wave
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.domain.transcript import Cue, Transcript, Word
from vta_stream.models.whisper_weights import Weights, damaged, find_weights
from vta_stream.ports import TerminalError, TransientError
from vta_stream.settings.work import TranscribeSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from faster_whisper import WhisperModel

    Samples = npt.NDArray[np.float32]

log = logging.getLogger(__name__)

RATE_HZ = 16_000

_PORTION_S = 10 * 60
"""Longer audio is recognised in portions: VAD and features of three hours at once take gigabytes (so: 0.8)."""

_SEEK_S, _QUIET_S = 60, 0.5
"""A portion ends in the quietest half second of its last minute, so that hardly ever a word is cut."""

_STEP = RATE_HZ // 100


class FasterWhisper:
    """Whisper by CTranslate2, with word times.

    Windows do not see the text of the window before (`condition_on_previous_text=False`): a hallucination
    then ends with its window instead of being repeated for minutes, and what a window yields does not depend
    on where the portions are cut. Beam search is deterministic; only a window that fails Whisper's own checks
    is tried again at higher temperatures, with random samples from a fixed seed.

    Thread-safe: `settings.concurrency` recognitions run at a time, and CTranslate2 releases the GIL.
    """

    def __init__(self, settings: TranscribeSettings, cache_dir: Path | None = None) -> None:
        if not settings.model:
            raise ValueError("without transcribe.model there is nothing to recognise with")
        self._settings = settings
        self._cache_dir = cache_dir
        self._model: WhisperModel | None = None
        self._stopping = threading.Event()

    @cached_property
    def _weights(self) -> Weights:
        return find_weights(self._settings, self._cache_dir)

    @property
    def model_id(self) -> str:
        """Weights and settings that decide the words. Fetches the weights if need be; raises as `setup` does."""
        settings = self._settings
        vad = "vad" if settings.vad else "no-vad"
        return f"{self._weights.identity} beam={settings.beam_size} {vad} {settings.compute_type}"

    def setup(self) -> None:
        """Load the weights; cheap if they are loaded.

        Raises TerminalError `model_missing`, `model_damaged`, or `device_unusable` (no such GPU, or it lacks
        libraries or the compute type).
        """
        self._stopping.clear()
        if self._model is not None:
            return
        import ctranslate2
        import numpy as np

        from vta_stream.models.whisper_windows import OwnWindows

        settings, weights = self._settings, self._weights
        ctranslate2.set_random_seed(0)
        try:
            model = OwnWindows(
                str(weights.folder),
                device=settings.device,
                compute_type=settings.compute_type,
                cpu_threads=settings.threads,
                num_workers=settings.concurrency,
                local_files_only=True,
            )
            if model.model.device == "cuda":
                # cuBLAS and cuDNN are loaded at the first pass; better to find out now.
                extractor = model.feature_extractor
                model.encode(np.zeros((extractor.mel_filters.shape[0], extractor.nb_max_frames), dtype=np.float32))
        except (ValueError, RuntimeError) as error:
            raise self._not_loaded(error) from error
        log.info("loaded %s on %s (%s)", weights.identity, model.model.device, model.model.compute_type)
        self._model = model

    def _not_loaded(self, error: Exception) -> TerminalError:
        settings = self._settings
        if any(word in str(error).lower() for word in ("cuda", "compute type", "cudnn", "cublas", "device")):
            text = f"transcribe.device {settings.device!r} with compute type {settings.compute_type!r}: {error}"
            return TerminalError("device_unusable", f"{text}. Set transcribe.device and transcribe.compute_type.")
        return damaged(self._weights.folder, f"{self._weights.folder} cannot be loaded: {error}")

    def close(self) -> None:
        """Release the weights; recognitions that run end with TransientError `stopping` within one window."""
        self._stopping.set()
        self._model = None

    def transcribe(self, media: Path, video_id: str, language: str | None) -> Transcript:
        """Recognise a 16 kHz mono 16-bit WAV file whose start is the video's zero; blocking.

        `language` is Whisper's code (`en`), None to detect it in the first portion with speech. Raises
        TerminalError `language_unsupported`, TransientError `stopping` after `close`.
        """
        model = self._model
        if model is None:
            raise TransientError("stopping", "the recogniser is closed, or was never set up")
        if language is not None and language not in model.supported_languages:
            raise TerminalError("language_unsupported", f"{self._weights.identity} does not know {language!r}")
        cues: list[Cue] = []
        for offset_s, samples in _portions(media):
            found, detected = self._recognise(model, samples, language)
            cues += [_shifted(cue, offset_s) for cue in found]
            if found and language is None:
                language = detected
        # Device and effective type are part of what happened, not of what was asked for.
        used = f"{self.model_id} ({model.model.device} {model.model.compute_type})"
        return Transcript(video_id, "asr", language, tuple(cues), used)

    def _recognise(self, model: WhisperModel, samples: Samples, language: str | None) -> tuple[list[Cue], str]:
        segments, facts = model.transcribe(
            samples,
            language=language,
            beam_size=self._settings.beam_size,
            vad_filter=self._settings.vad,
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        cues = []
        for segment in segments:  # each step of this loop may recognise one more window
            if self._stopping.is_set():
                raise TransientError("stopping", "the recognition was stopped")
            cue = _cue(segment, len(samples) / RATE_HZ)
            if cue is not None:
                cues.append(cue)
        return cues, str(facts.language)


def _cue(segment: Any, duration_s: float) -> Cue | None:
    """A cue from faster-whisper's segment; None if nothing in it is said within the audio."""
    words = tuple(
        Word(text, _s(word.start), _s(min(word.end, duration_s)), round(float(word.probability), 4))
        for word in segment.words or ()
        if (text := word.word.strip()) and word.start < duration_s
    )
    if not words or not any(character.isalnum() for character in segment.text):
        return None
    text = "".join(word.word for word in segment.words if word.start < duration_s).strip()
    start_s, end_s = words[0].start_s, max(word.end_s for word in words)
    return Cue(text, start_s, end_s, words, float(segment.avg_logprob), float(segment.no_speech_prob))


def _s(seconds: float) -> float:
    return round(max(0.0, float(seconds)), 3)


def _shifted(cue: Cue, offset_s: float) -> Cue:
    words = tuple(
        Word(word.text, _s(word.start_s + offset_s), _s(word.end_s + offset_s), word.probability) for word in cue.words
    )
    start_s, end_s = _s(cue.start_s + offset_s), _s(cue.end_s + offset_s)
    return Cue(cue.text, start_s, end_s, words, cue.average_logprob, cue.no_speech_probability)


def _portions(path: Path) -> Iterator[tuple[float, Samples]]:
    """(start in seconds, samples in -1..1) of each portion of a WAV file, cut where it is quiet."""
    import numpy as np

    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE_HZ):
            raise ValueError(f"{path.name} has to be 16 kHz mono 16-bit WAV")
        total, begin = file.getnframes(), 0
        while begin < total:
            file.setpos(begin)
            # A rest shorter than the search would make a portion of its own for nothing.
            rest = total - begin
            count = rest if rest <= (_PORTION_S + _SEEK_S) * RATE_HZ else _PORTION_S * RATE_HZ
            samples = np.frombuffer(file.readframes(count), dtype="<i2").astype(np.float32) / np.float32(32768)
            if count < rest:
                samples = samples[: _quietest(samples)]
            if not len(samples):
                return  # the header promised more than there is
            yield begin / RATE_HZ, samples
            begin += len(samples)


def _quietest(samples: Samples) -> int:
    """Index of the middle of the quietest half second in the last minute."""
    import numpy as np

    tail = samples[-_SEEK_S * RATE_HZ :]
    tail = tail[: len(tail) // _STEP * _STEP]
    energy = np.square(tail.reshape(-1, _STEP), dtype=np.float64).sum(axis=1)
    width = round(_QUIET_S * RATE_HZ) // _STEP
    windows = np.convolve(energy, np.ones(width), mode="valid")
    return len(samples) - len(tail) + (int(windows.argmin()) + width // 2) * _STEP
