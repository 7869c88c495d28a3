"""What is said in a video: from subtitles that came along, else by recognition."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from vta_stream.domain.delivery import Delivery, Emission
from vta_stream.domain.transcript import Cue, TranscribedVideo, Transcript, TranscriptFacts, TranscriptSource, union_s
from vta_stream.domain.video import Subtitle, Video
from vta_stream.ports import (
    DISK_FULL,
    ArtifactFolder,
    MediaStore,
    Outcome,
    SpeechRecognizer,
    StageError,
    TerminalError,
    TransientError,
)
from vta_stream.settings.work import TranscribeSettings
from vta_stream.stages.languages import whisper_language

log = logging.getLogger(__name__)

T = TypeVar("T")

TRANSCRIPT = "transcript.json"
_SOUND = "sound.wav"
LAYOUT = 1
"""Part of the artifact's key: counts up when the same input would give another transcript."""

_BESIDE_RECOGNITION = 4
"""Videos with subtitles take a second each, and need not wait behind an hour of recognition."""

_FORMATS = ("json3", "vtt", "ass", "webvtt", "srt", "subrip", "mov_text")
"""Those that may have word times first."""

_SOURCES: dict[str, TranscriptSource] = {"manual": "manual_subtitles", "automatic": "automatic_subtitles"}


class SpeechReader(Protocol):
    """Reads foreign media where a crash does no harm."""

    async def subtitle(
        self, media: Path, subtitle: Subtitle, path: Path | None, duration_s: float | None
    ) -> tuple[Cue, ...]:
        """The cues; TerminalError if these subtitles cannot be used."""

    async def audio(self, media: Path, target: Path, duration_s: float | None) -> float | None:
        """Write 16 kHz mono WAV; seconds written, None if there is nothing to hear."""

    async def close(self) -> None:
        """End the children."""


class TranscribeStage:
    """`videos.downloaded` to `videos.transcribed`.

    Subtitles of the wanted language are tried in the order of trust; unreadable ones are logged and the next
    are tried, and in the end the sound is recognised. `Transcript.source` says what it came to be. Without a
    recogniser (`transcribe.model` is empty) a video with sound and no usable subtitles is a terminal
    failure `no_subtitles`; a video without sound has source `none`.

    Two deliveries of one video are one piece of work, and it goes on when a delivery is cancelled: it may
    have taken an hour, and the next delivery finds it under way or done. If another worker is at it, a delivery is
    put off.
    """

    name = "transcribe"
    batch_max = 1
    batch_wait_s = 0.0
    ordered = False

    def __init__(
        self,
        store: MediaStore,
        recognizer: SpeechRecognizer | None,
        reader: SpeechReader,
        settings: TranscribeSettings,
    ) -> None:
        self.concurrency = settings.concurrency + _BESIDE_RECOGNITION
        self._store = store
        self._recognizer = recognizer
        self._reader = reader
        self._settings = settings
        self._recognitions = asyncio.Semaphore(settings.concurrency)
        self._work: dict[str, asyncio.Task[Transcript]] = {}

    async def setup(self) -> None:
        """Load the weights, unless subtitles alone are used; raises what the recogniser's `setup` does."""
        if self._recognizer is not None:
            await _in_daemon_thread(self._recognizer.setup)

    async def process(self, deliveries: Sequence[Delivery[Video]]) -> Sequence[Outcome]:
        """Transcribe each video; one outcome each."""
        return [await self._process(delivery.record) for delivery in deliveries]

    async def close(self) -> None:
        """Stop running recognitions (within one window of half a minute of sound) and release the weights."""
        if self._recognizer is not None:
            self._recognizer.close()
        tasks = list(self._work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reader.close()

    async def _process(self, video: Video) -> Outcome:
        artifact = self._store.artifact(video.video_id, self.name, self._key(video))
        try:
            transcript = await self._joined(video, artifact)
        except StageError as error:
            return error
        except OSError as error:
            reason = "disk_full" if error.errno in DISK_FULL else "io_error"
            return TransientError(reason, f"The media store cannot be written: {error}.")
        facts = TranscriptFacts(
            path=f"{artifact.relative}/{TRANSCRIPT}",
            source=transcript.source,
            language=transcript.language,
            model=transcript.model,
            cue_count=len(transcript.cues),
            word_count=sum(len(cue.words) or len(cue.text.split()) for cue in transcript.cues),
            speech_s=round(union_s([(cue.start_s, cue.end_s) for cue in transcript.cues]), 3),
        )
        return (Emission("videos.transcribed", TranscribedVideo(video, facts)),)

    async def _joined(self, video: Video, artifact: ArtifactFolder) -> Transcript:
        """The work on this artifact, whoever began it; or what was stored before."""
        task = self._work.get(artifact.relative)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._stored_or_made(video, artifact))
            self._work[artifact.relative] = task
            task.add_done_callback(lambda done: self._forget(artifact.relative, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise TransientError("stopping", "the worker is stopping") from None
            raise

    def _forget(self, relative: str, task: asyncio.Task[Transcript]) -> None:
        del self._work[relative]
        if not task.cancelled() and task.exception() is not None:
            # Whoever waits gets it too; if nobody does any more, this is its only trace.
            log.debug("transcribing %s failed: %s", relative, task.exception())

    async def _stored_or_made(self, video: Video, artifact: ArtifactFolder) -> Transcript:
        if not artifact.exists():
            with artifact.alone() as folder:
                if not artifact.exists():  # else another worker has just made it
                    return await self._make_in(folder, video, artifact)
        try:
            data = await asyncio.to_thread(self._store.path(f"{artifact.relative}/{TRANSCRIPT}").read_bytes)
        except FileNotFoundError:
            raise TransientError("media_gone", f"{artifact.relative} was removed meanwhile") from None
        return msgspec.json.decode(data, type=Transcript)

    async def _make_in(self, folder: Path, video: Video, artifact: ArtifactFolder) -> Transcript:
        transcript = await self._from_subtitles(video) or await self._by_recognition(video, folder / _SOUND)
        await asyncio.to_thread((folder / _SOUND).unlink, missing_ok=True)
        await asyncio.to_thread((folder / TRANSCRIPT).write_bytes, msgspec.json.encode(transcript))
        await asyncio.to_thread(artifact.commit)
        return transcript

    async def _from_subtitles(self, video: Video) -> Transcript | None:
        wanted = wanted_language(video, self._settings)
        for subtitle in usable_subtitles(video.subtitles, self._settings.use_subtitles, wanted):
            path = self._store.path(subtitle.path) if subtitle.path is not None else None
            media = self._store.path(video.media.path)
            try:
                cues = await self._reader.subtitle(media, subtitle, path, video.facts.duration_s)
            except TerminalError as error:
                log.warning("%s: %s of %s are not used: %s", video.video_id, _called(subtitle), video.media.path, error)
                continue
            language = whisper_language(subtitle.language) or wanted
            return Transcript(video.video_id, _SOURCES[subtitle.kind], language, cues)
        return None

    async def _by_recognition(self, video: Video, sound: Path) -> Transcript:
        silent = Transcript(video.video_id, "none", None, ())
        if video.facts.audio_codec is None:
            return silent
        if self._recognizer is None:
            text = "There are no usable subtitles, and transcribe.model is empty: nothing recognises the speech."
            raise TerminalError("no_subtitles", text)
        async with self._recognitions:
            media = self._store.path(video.media.path)
            heard_s = await self._reader.audio(media, sound, video.facts.duration_s)
            if heard_s is None:
                return silent
            language = wanted_language(video, self._settings)
            return await _in_daemon_thread(self._recognizer.transcribe, sound, video.video_id, language)

    def _key(self, video: Video) -> str:
        """Names the input and the settings that decide the words, and no others."""
        settings = self._settings
        subtitles = [[s.language, s.kind, s.format, s.path, s.stream_index] for s in video.subtitles]
        model = self._recognizer.model_id if self._recognizer is not None else None
        decides = [LAYOUT, video.media.sha256, subtitles, settings.use_subtitles, video.request.language]
        return hashlib.sha256(json.dumps([*decides, settings.language, model]).encode()).hexdigest()[:12]


def wanted_language(video: Video, settings: TranscribeSettings) -> str | None:
    """The language to take the words in, as Whisper's code: the request's, else the settings', else the video's.

    The video's is what the site says, or that of captions which YouTube calls the original ones. None:
    unknown, so any subtitles will do, and recognition detects it.
    """
    said = video.metadata.get("language")
    original = next((s.language for s in video.subtitles if s.language and s.language.endswith("-orig")), None)
    named = (video.request.language, settings.language, said if isinstance(said, str) else None, original)
    return next((code for tag in named if (code := whisper_language(tag)) is not None), None)


def usable_subtitles(subtitles: Sequence[Subtitle], kinds: Sequence[str], wanted: str | None) -> list[Subtitle]:
    """Those of a wanted kind and language, best first: by kind, then named language, then format.

    Subtitles that do not name their language count as being in the wanted one, after those that do.
    """

    def rank(subtitle: Subtitle) -> tuple[int, bool, bool, int]:
        known = subtitle.format in _FORMATS
        return (
            kinds.index(subtitle.kind),
            whisper_language(subtitle.language) is None,
            not (subtitle.language or "").endswith("-orig"),
            _FORMATS.index(subtitle.format) if known else len(_FORMATS),
        )

    fitting = [
        subtitle
        for subtitle in subtitles
        if subtitle.kind in kinds and (wanted is None or whisper_language(subtitle.language) in (None, wanted))
    ]
    return sorted(fitting, key=rank)


def _called(subtitle: Subtitle) -> str:
    where = subtitle.path if subtitle.path is not None else f"stream {subtitle.stream_index}"
    return f"the {subtitle.kind} subtitles ({where})"


async def _in_daemon_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run in a thread that does not hold up the end of the process: one window of a large model on a slow
    processor takes a minute, and nothing can interrupt it. `asyncio.to_thread` would be waited for.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, failure = None, None
        try:
            result = function(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised in the task that waits
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=work, name=f"transcribe-{function.__name__}", daemon=True).start()
    return await future
