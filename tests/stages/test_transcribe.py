"""The transcribe stage on the real media store, children and subtitles, with a recogniser that tells what it got."""

from __future__ import annotations

import asyncio
import shutil
import threading
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests import builders
from vta_stream.children import ChildPool
from vta_stream.domain.transcript import Cue, TranscribedVideo, Transcript, Word
from vta_stream.domain.video import MediaFile, Subtitle, Video
from vta_stream.media.speech import SpeechReader
from vta_stream.ports import Outcome, StageError, TerminalError, TransientError
from vta_stream.settings.work import MediaStoreSettings, TranscribeSettings
from vta_stream.stages.transcribe import TranscribeStage, usable_subtitles, wanted_language
from vta_stream.stores.media_store import LocalMediaStore

VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\nA red circle moves.\n"


class Recorder:
    """A recogniser that hears how long the sound is, and waits where it is told to."""

    model_id = "recorder"

    def __init__(self) -> None:
        self.heard: list[tuple[str, float, str | None]] = []
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.closed = False

    def setup(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True
        self.go_on.set()

    def transcribe(self, media: Path, video_id: str, language: str | None) -> Transcript:
        with wave.open(str(media)) as file:
            seconds = file.getnframes() / file.getframerate()
        self.heard.append((video_id, round(seconds, 2), language))
        self.began.set()
        self.go_on.wait(30)
        if self.closed:
            raise TransientError("stopping", "closed")
        word = Word("heard", 1.0, 1.5, 0.9)
        return Transcript(video_id, "asr", language or "en", (Cue("heard", 1.0, 1.5, (word,)),), self.model_id)


Make = Callable[..., TranscribeStage]


@pytest.fixture
def store(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path / "media", MediaStoreSettings(min_free_bytes=0))


@pytest.fixture
async def make(store: LocalMediaStore) -> AsyncIterator[Make]:
    made: list[TranscribeStage] = []

    def factory(recorder: Recorder | None, **changes: Any) -> TranscribeStage:
        settings = TranscribeSettings.model_validate(changes)
        made.append(TranscribeStage(store, recorder, SpeechReader(ChildPool("speech", 1)), settings))
        return made[-1]

    yield factory
    for stage in made:
        await stage.close()


def put(store: LocalMediaStore, media: Path, video_id: str = "vid-1", **changes: Any) -> Video:
    folder = store.root / video_id / "download-0"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(media, folder / media.name)
    return builders.video(
        video_id, media=MediaFile(f"{video_id}/download-0/{media.name}", media.stat().st_size, "ab" * 32), **changes
    )


def beside(store: LocalMediaStore, text: str | bytes = VTT, name: str = "a.en.vtt", kind: str = "manual") -> Subtitle:
    path = store.root / "vid-1/download-0" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    language, suffix = name.split(".")[-2:]
    return Subtitle(language, kind, suffix, path=f"vid-1/download-0/{name}")  # type: ignore[arg-type]


async def ask(stage: TranscribeStage, video: Video) -> Outcome:
    return (await stage.process([builders.delivery(video, "videos.downloaded")]))[0]


async def answer(stage: TranscribeStage, store: LocalMediaStore, video: Video) -> tuple[TranscribedVideo, Transcript]:
    outcome = await ask(stage, video)
    assert not isinstance(outcome, StageError), outcome
    (emission,) = outcome
    assert emission.topic == "videos.transcribed"
    assert isinstance(emission.record, TranscribedVideo)
    data = store.path(emission.record.transcript.path).read_bytes()
    return emission.record, msgspec.json.decode(data, type=Transcript)


async def test_subtitles_replace_recognition(make: Make, store: LocalMediaStore, shared_media: Path) -> None:
    recorder = Recorder()
    subtitles = (beside(store, VTT.replace("red", "blue"), "a.en.srt", "automatic"), beside(store))
    video = put(store, shared_media / "hostile/ae_testsrc.mp4", subtitles=subtitles)
    record, transcript = await answer(make(recorder), store, video)
    assert record.video == video
    facts = record.transcript
    assert (facts.source, facts.language, facts.model) == ("manual_subtitles", "en", None)
    assert (facts.cue_count, facts.word_count, facts.speech_s) == (1, 4, 2.0)
    assert transcript.cues == (Cue("A red circle moves.", 1.0, 3.0),)
    _, automatic = await answer(make(recorder, use_subtitles=["automatic"]), store, video)
    assert (automatic.source, automatic.cues[0].text) == ("automatic_subtitles", "A blue circle moves.")
    _, heard = await answer(make(recorder, use_subtitles=[]), store, video)
    assert (heard.source, heard.cues[0].text, heard.model) == ("asr", "heard", "recorder")
    assert [entry[1] for entry in recorder.heard] == [2.02]


async def test_real_captions_inside_a_real_video(make: Make, store: LocalMediaStore, shared_media: Path) -> None:
    inside = Subtitle("eng", "manual", "mov_text", stream_index=2)
    video = put(
        store, shared_media / "video/nasa_13013.mp4", subtitles=(inside,), facts=builders.facts(duration_s=13.056)
    )
    record, transcript = await answer(make(None, model=""), store, video)
    assert (record.transcript.source, record.transcript.language) == ("manual_subtitles", "en")
    assert [cue.start_s for cue in transcript.cues] == [0.21, 4.26, 8.35, 12.47]
    assert record.transcript.speech_s == pytest.approx(12.846)


async def test_unreadable_subtitles_are_logged_and_the_next_are_used(
    make: Make, store: LocalMediaStore, shared_media: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    broken, fine = beside(store, b"\xff\x00\xff", "broken.en.vtt"), beside(store, kind="automatic")
    video = put(store, shared_media / "hostile/ae_testsrc.mp4", subtitles=(broken, fine))
    _, transcript = await answer(make(recorder), store, video)
    assert transcript.source == "automatic_subtitles"
    assert "broken.en.vtt) of vid-1/download-0/ae_testsrc.mp4 are not used" in caplog.text
    only_broken = put(store, shared_media / "hostile/ae_testsrc.mp4", subtitles=(broken,))
    _, transcript = await answer(make(recorder), store, only_broken)
    assert transcript.source == "asr"
    outcome = await ask(make(None, model=""), only_broken)
    assert isinstance(outcome, TerminalError)
    assert outcome.reason == "no_subtitles"


async def test_a_video_without_sound_has_no_words(make: Make, store: LocalMediaStore, shared_media: Path) -> None:
    video = put(store, shared_media / "video/intel_bottle.mp4", facts=builders.facts(audio_codec=None))
    for recorder in (Recorder(), None):
        record, transcript = await answer(make(recorder, model="x" if recorder else ""), store, video)
        assert (transcript.source, transcript.cues, record.transcript.speech_s) == ("none", (), 0.0)
    # The facts may be wrong, too; then decoding says so.
    wrong = put(store, shared_media / "video/dog_eating_854132.mp4", "vid-2")
    assert (await answer(make(Recorder()), store, wrong))[1].source == "none"


async def test_what_is_done_is_not_done_again(make: Make, store: LocalMediaStore, shared_media: Path) -> None:
    recorder = Recorder()
    video = put(store, shared_media / "hostile/ae_testsrc.mp4")
    first, _ = await answer(make(recorder), store, video)
    second, _ = await answer(make(recorder), store, video)
    assert first == second
    assert len(recorder.heard) == 1
    folder = store.path(first.transcript.path).parent
    assert [path.name for path in folder.iterdir()] == ["transcript.json"], "the sound was kept"
    german = builders.request(language="de-AT")
    await answer(make(recorder), store, put(store, shared_media / "hostile/ae_testsrc.mp4", request=german))
    assert recorder.heard[1][2] == "de"


async def test_a_cancelled_delivery_does_not_lose_the_work(
    make: Make, store: LocalMediaStore, shared_media: Path
) -> None:
    recorder = Recorder()
    recorder.go_on.clear()
    stage = make(recorder)
    video = put(store, shared_media / "hostile/ae_testsrc.mp4")
    first = asyncio.ensure_future(ask(stage, video))
    assert await asyncio.to_thread(recorder.began.wait, 60)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.ensure_future(answer(stage, store, video))
    await asyncio.sleep(0)
    recorder.go_on.set()
    assert (await second)[1].source == "asr"
    assert len(recorder.heard) == 1


async def test_closing_ends_what_runs_with_an_error_to_try_again(
    make: Make, store: LocalMediaStore, shared_media: Path
) -> None:
    recorder = Recorder()
    recorder.go_on.clear()
    stage = make(recorder)
    running = asyncio.ensure_future(ask(stage, put(store, shared_media / "hostile/ae_testsrc.mp4")))
    assert await asyncio.to_thread(recorder.began.wait, 60)
    await stage.close()
    outcome = await running
    assert isinstance(outcome, TransientError)
    assert outcome.reason == "stopping"
    await stage.close()


async def test_so_many_recognitions_at_a_time_and_subtitles_pass_them(
    make: Make, store: LocalMediaStore, shared_media: Path
) -> None:
    recorder = Recorder()
    recorder.go_on.clear()
    stage = make(recorder, concurrency=1)
    media = shared_media / "hostile/ae_testsrc.mp4"
    waiting = [asyncio.ensure_future(ask(stage, put(store, media, f"asr-{number}"))) for number in range(3)]
    assert await asyncio.to_thread(recorder.began.wait, 60)
    _, transcript = await answer(stage, store, put(store, media, subtitles=(beside(store),)))
    assert transcript.source == "manual_subtitles"
    assert len(recorder.heard) == 1
    recorder.go_on.set()
    outcomes = await asyncio.gather(*waiting)
    assert not any(isinstance(outcome, StageError) for outcome in outcomes)
    assert stage.concurrency > 1


async def test_media_that_are_gone(make: Make, store: LocalMediaStore) -> None:
    outcome = await ask(make(Recorder()), builders.video())
    assert isinstance(outcome, TransientError)
    assert outcome.reason == "media_gone"


async def test_setup_asks_the_recognizer(make: Make) -> None:
    class Missing(Recorder):
        def setup(self) -> None:
            raise TerminalError("model_missing", "get it")

    with pytest.raises(TerminalError, match="get it"):
        await make(Missing()).setup()
    await make(None, model="").setup()


def tracks(*languages: str | None, kind: str = "manual", form: str = "vtt") -> tuple[Subtitle, ...]:
    return tuple(Subtitle(tag, kind, form, path=f"{kind}.{tag}.{form}") for tag in languages)  # type: ignore[arg-type]


def test_which_subtitles_in_which_order() -> None:
    manual, automatic = tracks("de", "en-GB", None), tracks("en", "en-orig", kind="automatic", form="json3")
    both = ("manual", "automatic")
    ranked = usable_subtitles((*automatic, *manual), both, "en")
    assert [(s.kind, s.language) for s in ranked] == [
        ("manual", "en-GB"), ("manual", None), ("automatic", "en-orig"), ("automatic", "en"),
    ]  # fmt: skip
    assert [s.kind for s in usable_subtitles((*manual, *automatic), ("automatic", "manual"), "en")][:2] == [
        "automatic"
    ] * 2
    assert usable_subtitles(tracks("de"), both, "en") == []
    assert [s.language for s in usable_subtitles(manual, both, None)] == ["de", "en-GB", None]
    formats = tracks("en", form="srt") + tracks("en", form="json3") + tracks("en", form="vtt")
    assert [s.format for s in usable_subtitles(formats, both, None)] == ["json3", "vtt", "srt"]


def test_which_language_is_wanted() -> None:
    orig = tracks("en", "en-orig", kind="automatic")
    plain, german = TranscribeSettings(), TranscribeSettings(language="de")
    video = builders.video(request=builders.request(language="fr-CA"), metadata={"language": "es"}, subtitles=orig)
    assert wanted_language(video, german) == "fr"
    video = builders.video(metadata={"language": "es-419"}, subtitles=orig)
    assert wanted_language(video, german) == "de"
    assert wanted_language(video, plain) == "es"
    assert wanted_language(builders.video(metadata={"language": None}, subtitles=orig), plain) == "en"
    assert wanted_language(builders.video(metadata={"language": "und"}), plain) is None
