"""The only file that knows every concrete class: from settings to the stages of a worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vta_stream.stream.records import INPUTS

if TYPE_CHECKING:
    from vta_stream.domain.transcript import Transcript
    from vta_stream.domain.video import Source
    from vta_stream.models.shared import SharedModels
    from vta_stream.ports import AnyStage, SpeechRecognizer, VideoSource
    from vta_stream.settings import Settings
    from vta_stream.stores.media_store import LocalMediaStore

CLIP_FORMAT = 1
"""Raised whenever the code makes other clips out of the same video and settings."""

_NO_EFFECT = {
    "segment": {"concurrency", "timeout_factor", "timeout_min_s"},
    "transcribe": {"concurrency", "threads", "device"},
    "models": {"device", "batch_max", "threads", "cache_dir"},
}
"""Settings that change how the work is done and not what comes out."""


def pipeline_settings(settings: Settings) -> dict[str, Any]:
    """The settings that change the data; the limits of filters are not among them, since verdicts are cheap."""
    chosen: dict[str, Any] = {"clip_format": CLIP_FORMAT}
    for group in ("transcribe", "segment", "models"):
        chosen[group] = getattr(settings, group).model_dump(mode="json", exclude=_NO_EFFECT[group])
    chosen["download"] = settings.download.model_dump(
        mode="json", include={"max_short_side_px", "max_long_side_px", "subtitle_languages", "automatic_subtitles"}
    )
    chosen["scorers"], chosen["captioners"] = settings.scorers, settings.captioners
    return chosen


def pipeline_version(settings: Settings) -> str:
    """Eight hex digits that change when the data would; part of every clip's ID."""
    text = json.dumps(pipeline_settings(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Pipeline:
    """Builds the stages of one worker process. What several stages share is built once."""

    settings: Settings
    _built: dict[str, AnyStage] = field(default_factory=dict)

    def stages(self, names: Collection[str] = tuple(INPUTS)) -> dict[str, AnyStage]:
        """The named stages in their order, not yet set up. KeyError for an unknown name."""
        return {name: self._stage(name) for name in INPUTS if name in names}

    @cached_property
    def version(self) -> str:
        """The pipeline version of these settings."""
        return pipeline_version(self.settings)

    @cached_property
    def media_store(self) -> LocalMediaStore:
        """The media in progress."""
        from vta_stream.stores.media_store import LocalMediaStore

        return LocalMediaStore(self.settings.media_dir, self.settings.media_store)

    @cached_property
    def models(self) -> SharedModels:
        """The models that score, caption and embed."""
        from vta_stream.models.base import ModelLoader
        from vta_stream.models.coca import CoCa
        from vta_stream.models.image_text import OpenClip
        from vta_stream.models.shared import SharedModels

        loader = ModelLoader(self.settings.models)
        return SharedModels(
            partial(OpenClip, self.settings.models.image_text, loader),
            partial(CoCa, self.settings.models.captions, loader),
        )

    def speech_recognizer(self) -> SpeechRecognizer | None:
        """The model that hears, not yet set up; None where the settings name none."""
        from vta_stream.models.whisper import FasterWhisper

        settings = self.settings
        return FasterWhisper(settings.transcribe, settings.models.cache_dir) if settings.transcribe.model else None

    def _stage(self, name: str) -> AnyStage:
        make: dict[str, Callable[[], AnyStage]] = {
            "download": self._download,
            "transcribe": self._transcribe,
            "segment": self._segment,
            "score": self._score,
            "caption": self._caption,
            "embed": self._embed,
            "store": self._store,
        }
        if name not in self._built:
            self._built[name] = make[name]()
        return self._built[name]

    def _download(self) -> AnyStage:
        from vta_stream.children import ChildPool
        from vta_stream.media.probe import Prober
        from vta_stream.sources.egress import Egress, egress_file
        from vta_stream.sources.file import FileSource
        from vta_stream.sources.ytdlp import YtDlpSource
        from vta_stream.stages.download import DownloadStage
        from vta_stream.stream.slots import host_name

        settings = self.settings.download
        egress = Egress(settings.requests_per_hour, egress_file(self.settings.state_dir, host_name(), settings.proxy))
        web = YtDlpSource(settings, egress)
        sources: dict[Source, VideoSource] = {"youtube": web, "url": web, "file": FileSource(settings)}
        return DownloadStage(self.media_store, sources, Prober(ChildPool("probe", settings.concurrency)), settings)

    def _transcribe(self) -> AnyStage:
        from vta_stream.children import ChildPool
        from vta_stream.media.speech import SpeechReader
        from vta_stream.stages.transcribe import TranscribeStage

        settings = self.settings.transcribe
        reader = SpeechReader(ChildPool("speech", settings.concurrency + 1))
        return TranscribeStage(self.media_store, self.speech_recognizer(), reader, settings)

    def _segment(self) -> AnyStage:
        from vta_stream.children import ChildPool
        from vta_stream.media.clips import make_clips
        from vta_stream.stages.segment import SegmentStage
        from vta_stream.stages.segmentation import choose_segments

        settings = self.settings.segment
        return SegmentStage(
            self.media_store,
            ChildPool("segment", settings.concurrency),
            make_clips,
            choose_segments,
            _read_transcript,
            settings,
            self.version,
        )

    def _score(self) -> AnyStage:
        from vta_stream.media.frames import read_frames
        from vta_stream.plugins import load_filters, load_scorers
        from vta_stream.stages.score import ScoreStage

        scorers, filters = load_scorers(self.settings.scorers), load_filters(self.settings.filters)
        return ScoreStage(self.media_store, scorers, filters, self.models, self.settings.score, read_frames)

    def _caption(self) -> AnyStage:
        from vta_stream.media.frames import read_frames
        from vta_stream.plugins import load_captioners, load_filters
        from vta_stream.stages.caption import CaptionStage

        captioners, filters = load_captioners(self.settings.captioners), load_filters(self.settings.filters)
        return CaptionStage(self.media_store, captioners, filters, self.models, self.settings.caption, read_frames)

    def _embed(self) -> AnyStage:
        from vta_stream.media.frames import read_frames
        from vta_stream.stages.embed import EmbedStage

        return EmbedStage(self.media_store, self.models, self.settings.embed, read_frames)

    def _store(self) -> AnyStage:
        from vta_stream.stages.store import StoreStage
        from vta_stream.stores.dataset import LakeDataset

        dataset = LakeDataset(self.settings.dataset_dir, self.settings.store, self.media_store)
        dataset.register_pipeline_version(self.version, json.dumps(pipeline_settings(self.settings), sort_keys=True))
        return StoreStage(dataset, self.media_store, self.settings.store)


def _read_transcript(path: Path) -> Transcript:
    import msgspec

    from vta_stream.domain.transcript import Transcript

    return msgspec.json.decode(path.read_bytes(), type=Transcript)
