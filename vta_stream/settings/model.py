"""Every setting, its default and its help. A test keeps the table in the docs true to this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from vta_stream.settings.delivery import KafkaSettings, MetricsSettings, RetrySettings, WorkerSettings
from vta_stream.settings.section import Section
from vta_stream.settings.work import (
    CaptionSettings,
    DownloadSettings,
    EmbedSettings,
    MediaStoreSettings,
    ModelsSettings,
    ScoreSettings,
    SegmentSettings,
    StoreSettings,
    TranscribeSettings,
)


def _options(*names: str) -> dict[str, dict[str, Any]]:
    return {name: {} for name in names}


def _measured() -> dict[str, dict[str, Any]]:
    return _options(
        "clip_match",
        "speech_ratio",
        "asr_confidence",
        "longest_word",
        "words_per_second",
        "sharpness",
        "luminance",
        "duration",
    )


def _judged() -> dict[str, dict[str, Any]]:
    # Motion and shot purity have filters but no scorer: segment measures them while the pixels are there.
    return {**_options("motion", "shot_purity"), **_measured(), **_options("caption_match")}


class Settings(Section):
    """All settings. Environment variables win over the file: `VTA_STREAM__SEGMENT__MAX_CLIP_S=12`."""

    data_dir: Path = Field(
        Path("vta-data"), description="folder of everything that is kept: dataset, media in progress, state"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level logged")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="the broker and its topics")
    worker: WorkerSettings = Field(default_factory=WorkerSettings, description="this worker process")
    retry: RetrySettings = Field(default_factory=RetrySettings, description="back-off of transient failures")
    metrics: MetricsSettings = Field(default_factory=MetricsSettings, description="the metrics endpoint")
    media_store: MediaStoreSettings = Field(default_factory=MediaStoreSettings, description="media in progress")
    models: ModelsSettings = Field(default_factory=ModelsSettings, description="weights, shared by stages")
    download: DownloadSettings = Field(default_factory=DownloadSettings, description="the download agent")
    transcribe: TranscribeSettings = Field(default_factory=TranscribeSettings, description="the transcribe agent")
    segment: SegmentSettings = Field(default_factory=SegmentSettings, description="the segment agent")
    score: ScoreSettings = Field(default_factory=ScoreSettings, description="the score agent")
    caption: CaptionSettings = Field(default_factory=CaptionSettings, description="the caption agent")
    embed: EmbedSettings = Field(default_factory=EmbedSettings, description="the embed agent")
    store: StoreSettings = Field(default_factory=StoreSettings, description="the store agent")
    scorers: dict[str, dict[str, Any]] = Field(
        default_factory=_measured,
        description="scorers, each with its options over the defaults; null: off; see vta_stream/scorers",
    )
    filters: dict[str, dict[str, Any]] = Field(
        default_factory=_judged,
        description="filters, each with its limits over the defaults; null: off; see vta_stream/filters",
    )
    captioners: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: _options("transcript", "coca"),
        description="captioners, each with its options over the defaults; null: off; see vta_stream/captioners",
    )

    @field_validator("scorers", "filters", "captioners", mode="before")
    @classmethod
    def _beside_defaults(cls, given: Any, info: ValidationInfo) -> Any:
        """To change one limit must not switch off all the others, so what is given is laid over the defaults."""
        if not isinstance(given, dict):
            return given
        assert info.field_name is not None
        defaults: dict[str, Any] = cls.model_fields[info.field_name].get_default(call_default_factory=True)
        return {name: options for name, options in {**defaults, **given}.items() if options is not None}

    @property
    def dataset_dir(self) -> Path:
        """Where the dataset lies: the catalog, the tables' files and the shards."""
        return self.data_dir / "dataset"

    @property
    def media_dir(self) -> Path:
        """Where the media of videos in progress lie."""
        return self.data_dir / "media"

    @property
    def state_dir(self) -> Path:
        """Where the worker keeps its own small files: broker address, journal, slots, attempt counts."""
        return self.data_dir / "state"
