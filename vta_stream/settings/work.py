"""Settings of the stages and of what they stand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from vta_stream.settings.section import Section

GIB = 1024**3


class MediaStoreSettings(Section):
    """The disk space for videos in progress."""

    limit_bytes: int = Field(50 * GIB, gt=0, description="the download agent pauses above so much media in progress")
    min_free_bytes: int = Field(2 * GIB, ge=0, description="it pauses too when the disk has less than this free")
    resume_share: float = Field(
        0.8, gt=0, le=1, description="it resumes below this share of `limit_bytes` (hysteresis)"
    )


class ModelSettings(Section):
    """Weights by hub name or by folder."""

    name: str = Field(description="open_clip architecture, or a folder in its format")
    pretrained: str | None = Field(None, description="open_clip weights tag; unset when `name` is a folder")
    revision: str | None = Field(
        None, description="commit of the hub repository; unset: its newest, and the features say which that was"
    )


class ModelsSettings(Section):
    """The models that several stages share."""

    image_text: ModelSettings = Field(
        ModelSettings(
            name="ViT-B-32", pretrained="laion2b_s34b_b79k", revision="1a25a446712ba5ee05982a381eed697ef9b435cf"
        ),
        description="the model that scores and embeds",
    )
    captions: ModelSettings = Field(
        ModelSettings(
            name="coca_ViT-B-32",
            pretrained="mscoco_finetuned_laion2b_s13b_b90k",
            revision="ef0732eb039c932624eb8b867c82ab2311001b09",
        ),
        description="the CoCa model that writes captions",
    )
    device: str = Field("auto", description="torch device; auto: cuda where there is one, else cpu")
    precision: Literal["fp32", "fp16", "bf16"] = Field(
        "fp32", description="number format of the weights; fp16 and bf16 are for GPUs, and shift scores a little"
    )
    batch_max: int = Field(32, ge=1, description="images or texts a forward pass at most")
    threads: int | None = Field(None, ge=1, description="CPU threads of torch; unset: torch decides")
    cache_dir: Path | None = Field(None, description="where hub downloads are kept; unset: the hub's default")


class DownloadSettings(Section):
    """Fetching videos."""

    concurrency: int = Field(4, ge=1, description="downloads at a time")
    timeout_s: float = Field(3600, gt=0, description="a download's child process is killed after so long")
    max_short_side_px: int = Field(720, ge=16, description="largest short side of the picture that is taken")
    max_long_side_px: int = Field(1280, ge=16, description="largest long side of the picture that is taken")
    max_size_bytes: int = Field(4 * GIB, gt=0, description="a larger file is refused")
    max_duration_s: float = Field(4 * 3600, gt=0, description="a longer video is refused")
    subtitle_languages: tuple[str, ...] = Field(("en", "en-orig"), description="subtitles to fetch, by language")
    automatic_subtitles: bool = Field(True, description="fetch automatic subtitles where there are no manual ones")
    youtube: bool = Field(True, description="take YouTube IDs")
    url_hosts: tuple[str, ...] = Field(
        (), description="hosts whose URLs are taken; `*` takes all public hosts, `*.example.org` a domain"
    )
    allow_private_networks: bool = Field(
        False, description="take URLs to loopback, private and link-local addresses too"
    )
    file_roots: tuple[Path, ...] = Field((), description="folders under which files are taken (file:///…)")
    requests_per_hour: float = Field(
        300, gt=0, description="downloads an hour by all workers of a machine; YouTube's guest limit is about 300"
    )
    rate_limit_bytes_per_s: int | None = Field(None, gt=0, description="bandwidth a download; unset: no limit")
    proxy: str | None = Field(None, description="proxy URL for downloads")
    cookies_file: Path | None = Field(None, description="Netscape cookies file for yt-dlp")


class TranscribeSettings(Section):
    """Subtitles or speech recognition."""

    use_subtitles: tuple[Literal["manual", "automatic"], ...] = Field(
        ("manual", "automatic"), description="kinds of subtitles that replace recognition, in order of trust"
    )
    model: str = Field(
        "large-v3",
        description="Whisper by faster-whisper's name, hub name, or a CTranslate2 folder; empty: subtitles only",
    )
    revision: str | None = Field(
        None, description="commit of the hub repository; unset: the known one, else its newest, which transcripts name"
    )
    device: str = Field("auto", description="auto, cpu or cuda")
    compute_type: str = Field("default", description="CTranslate2 compute type: int8, float16…")
    beam_size: int = Field(5, ge=1, description="beams; 5 is Whisper's")
    language: str | None = Field(None, description="language of all videos; unset: from the request, else detected")
    vad: bool = Field(True, description="skip what silero VAD finds to be silence")
    concurrency: int = Field(1, ge=1, description="recognitions at a time")
    threads: int = Field(0, ge=0, description="CPU threads a recognition; 0: the library decides")


class SegmentSettings(Section):
    """Choosing and cutting clips."""

    min_clip_s: float = Field(2.0, gt=0, description="shorter clips are not made")
    max_clip_s: float = Field(20.0, gt=0, description="longer stretches are split at sentences, else at pauses")
    join_pause_s: float = Field(1.0, ge=0, description="sentences with a longer pause between them are not joined")
    sentence_pause_s: float = Field(0.6, gt=0, description="a pause this long ends a sentence without punctuation")
    padding_s: float = Field(0.15, ge=0, description="kept before the first and after the last word, if there is room")
    shot_threshold: float = Field(27.0, gt=0, description="content change that is a cut; PySceneDetect's default")
    min_shot_s: float = Field(0.5, ge=0, description="shots are at least this long")
    max_clips: int = Field(2000, ge=1, description="clips a video at most; the rest of the video is left out")
    frames_per_clip: int = Field(8, ge=3, description="frames sampled a clip, first, middle and last among them")
    frame_short_side_px: int = Field(256, ge=32, description="short side of the sampled frames")
    crf: int = Field(20, ge=0, le=51, description="x264 quality of the clips, lower is better")
    preset: str = Field("veryfast", description="x264 preset")
    audio_bit_rate: int = Field(128_000, ge=16_000, description="AAC bits per second")
    concurrency: int = Field(1, ge=1, description="videos segmented at a time, each in a child process")
    timeout_factor: float = Field(4.0, gt=0, description="a child is killed after this many times the video's length")
    timeout_min_s: float = Field(120.0, gt=0, description="but not before so many seconds")
    without_speech: Literal["shots", "skip"] = Field(
        "shots", description="a video without any words: take its shots as clips without text, or none"
    )

    @model_validator(mode="after")
    def _ordered(self) -> SegmentSettings:
        if self.min_clip_s >= self.max_clip_s:
            raise ValueError("min_clip_s has to be below max_clip_s")
        return self


class ScoreSettings(Section):
    """Measuring clips."""

    batch_max: int = Field(16, ge=1, description="clips measured at once")
    batch_wait_s: float = Field(0.05, ge=0, description="wait so long to fill a batch")


class CaptionSettings(Section):
    """Writing captions."""

    batch_max: int = Field(16, ge=1, description="clips captioned at once")
    batch_wait_s: float = Field(0.05, ge=0, description="wait so long to fill a batch")


class EmbedSettings(Section):
    """Embedding clips."""

    batch_max: int = Field(32, ge=1, description="clips embedded at once")
    batch_wait_s: float = Field(0.05, ge=0, description="wait so long to fill a batch")


class S3Settings(Section):
    """A bucket for the tables' files and the shards.

    Its keys are no settings, so that no file, log or dataset can hold them: they are taken from the environment
    (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for keys that expire, AWS_SESSION_TOKEN).
    """

    url: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*/?$",
        description="s3://BUCKET/PREFIX for the tables' files and the shards, keys by AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY; unset: they lie in the dataset's folder",
    )
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^/\s]+$", description="https://HOST:PORT of a service that is not AWS; unset: AWS"
    )
    region: str = Field("us-east-1", description="the bucket's region")


class StoreSettings(Section):
    """The dataset.

    On S3 nothing can be appended to, so every commit seals its shards: `commit_records_max` and `commit_wait_s`
    decide how large shards become and how soon rows are visible, and their defaults are larger there.
    """

    catalog: str = Field(
        "sqlite:catalog.sqlite",
        description="DuckLake catalog: sqlite:FILE (relative to the dataset) or postgres:CONNECTION STRING, "
        "its password by PGPASSWORD or ~/.pgpass",
    )
    s3: S3Settings = Field(default_factory=S3Settings, description="a bucket instead of the dataset's folder")
    commit_records_max: int = Field(500, ge=1, description="records a commit at most; on S3 5000 unless it is set")
    commit_wait_s: float = Field(
        1.0,
        ge=0,
        description="wait so long to gather records for one commit; on S3 60 unless it is set: a commit is a shard "
        "there, so longer makes larger shards and rows that are visible later",
    )
    shard_samples_max: int = Field(10_000, ge=1, description="a shard is sealed at so many samples")
    shard_bytes_max: int = Field(1 * GIB, ge=1, description="or at so many bytes")
    shard_age_max_s: float = Field(3600, gt=0, description="or when it has been open so long; on S3 with its commit")
    val_share: float = Field(0.01, ge=0, lt=1, description="share of the split groups that goes to val")
    test_share: float = Field(0.01, ge=0, lt=1, description="share of the split groups that goes to test")
    maintenance_interval_s: float = Field(
        600, gt=0, description="merge small files and drop expired snapshots this often, between commits"
    )
    keep_snapshots_days: float = Field(7, gt=0, description="snapshots are kept so long for time travel")

    @model_validator(mode="before")
    @classmethod
    def _patient_on_s3(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        s3 = given.get("s3")
        url = s3.url if isinstance(s3, S3Settings) else s3.get("url") if isinstance(s3, dict) else None
        return {"commit_records_max": 5000, "commit_wait_s": 60.0, **given} if url else given
