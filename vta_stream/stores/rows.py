"""Records of the stream as rows of the tables: column name to value, nothing decided here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from vta_stream.domain.clip import Clip, SegmentedVideo
from vta_stream.domain.delivery import DeadLetter, Position
from vta_stream.domain.sample import Split
from vta_stream.domain.transcript import Transcript, Word
from vta_stream.stores.samples import Embeddings
from vta_stream.stores.shards import Place, ShardRow

Row = dict[str, Any]


def moment(unix_s: float | None) -> datetime | None:
    """Unix seconds as a time with its zone; None stays None, and so does what no calendar holds."""
    if unix_s is None:
        return None
    try:
        return datetime.fromtimestamp(unix_s, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def clip_row(clip: Clip, *, accepted: bool, split: Split, now_s: float) -> Row:
    """A row of `clips`."""
    return {
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "pipeline_version": clip.pipeline_version,
        "clip_index": clip.index,
        "clip_count": clip.clip_count,
        "start_s": clip.span.start_s,
        "end_s": clip.span.end_s,
        "duration_s": clip.span.duration_s,
        "text": clip.text,
        "language": clip.language,
        "transcript_source": clip.transcript_source,
        "words": [_word(word) for word in clip.words],
        "accepted": accepted,
        "scores": sorted(clip.scores.values.items()),
        "score_failures": sorted(clip.scores.failures.items()),
        "verdicts": [
            {"filter": v.filter, "keep": v.keep, "reason": v.reason, "value": v.value, "limit_value": v.limit}
            for v in clip.verdicts
        ],
        "split": split,
        "split_group": clip.split_group,
        "size_bytes": clip.media.size_bytes,
        "sha256": clip.media.sha256,
        "cut": {
            "asked_start_s": clip.cut.asked.start_s,
            "asked_end_s": clip.cut.asked.end_s,
            "got_start_s": clip.cut.got.start_s,
            "got_end_s": clip.cut.got.end_s,
            "frame_count": clip.cut.frame_count,
            "first_pts_s": clip.cut.first_pts_s,
            "audio_offset_s": clip.cut.audio_offset_s,
        },
        "judged_at": moment(clip.judged_at_s),
        "stored_at": moment(now_s),
    }


def caption_rows(clip: Clip) -> Iterator[Row]:
    """Rows of `captions`."""
    for index, caption in enumerate(clip.captions):
        yield {
            "clip_id": clip.clip_id,
            "caption_index": index,
            "captioner": caption.captioner,
            "text": caption.text,
            "model": caption.model,
            "match": caption.match,
        }


def embedding_row(clip: Clip, model: str, embeddings: Embeddings) -> Row:
    """A row of `embeddings`."""
    return {
        "clip_id": clip.clip_id,
        "model": model,
        "dim": int(embeddings.frames.shape[1]),
        "frame_count": int(embeddings.frames.shape[0]),
        "clip_embedding": embeddings.clip_mean(),
        "text_embedding": embeddings.text_vector(),
    }


def sample_row(clip: Clip, layout: str, split: Split, place: Place) -> Row:
    """A row of `samples`."""
    return {
        "clip_id": clip.clip_id,
        "layout": layout,
        "split": split,
        "shard_path": place.shard_path,
        "offset_bytes": place.offset_bytes,
        "size_bytes": place.size_bytes,
    }


def shard_row(shard: ShardRow) -> Row:
    """A row of `shards`."""
    return {
        "shard_path": shard.shard_path,
        "layout": shard.layout,
        "split": shard.split,
        "shard_index": shard.shard_index,
        "state": shard.state,
        "sample_count": shard.sample_count,
        "data_bytes": shard.data_bytes,
        "opened_at": moment(shard.opened_at_s),
        "sealed_at": moment(shard.sealed_at_s),
    }


def video_facts(segmented: SegmentedVideo) -> Row:
    """What a row of `videos` says of a video that was segmented; not how it ended."""
    video = segmented.transcribed.video
    facts = video.facts
    return {
        "video_id": segmented.video_id,
        "reason": segmented.reason,
        "pipeline_version": segmented.pipeline_version,
        "url": video.request.url,
        "source": video.request.source,
        "labels": sorted(video.request.labels.items()),
        "metadata_json": json.dumps(dict(video.metadata), ensure_ascii=False, sort_keys=True),
        "language": segmented.transcribed.transcript.language,
        "container": facts.container,
        "duration_s": facts.duration_s,
        "decoded_s": segmented.decoded_s,
        "width_px": facts.width,
        "height_px": facts.height,
        "fps": facts.fps,
        "rotation_deg": facts.rotation_deg,
        "video_codec": facts.video_codec,
        "pixel_format": facts.pixel_format,
        "audio_codec": facts.audio_codec,
        "size_bytes": video.media.size_bytes,
        "sha256": video.media.sha256,
        "shot_count": segmented.shot_count,
        "clip_count": segmented.clip_count,
    }


def transcript_row(segmented: SegmentedVideo, transcript: Transcript | None) -> Row:
    """A row of `transcripts`; `transcript` None: its file is gone, so `cues` is NULL."""
    facts = segmented.transcribed.transcript
    return {
        "video_id": segmented.video_id,
        "pipeline_version": segmented.pipeline_version,
        "source": facts.source,
        "language": facts.language,
        "model": facts.model,
        "cue_count": facts.cue_count,
        "word_count": facts.word_count,
        "speech_s": facts.speech_s,
        "cues": None
        if transcript is None
        else [
            {
                "text": cue.text,
                "start_s": cue.start_s,
                "end_s": cue.end_s,
                "words": [_word(word) for word in cue.words],
                "average_logprob": cue.average_logprob,
                "no_speech_probability": cue.no_speech_probability,
            }
            for cue in transcript.cues
        ],
    }


def dead_letter_row(letter: DeadLetter, position: Position, now_s: float) -> Row:
    """A row of `dead_letters`; `position` is where the dead letter itself lies."""
    return {
        "cluster_id": position.cluster_id,
        "stage": letter.stage,
        "input_topic": letter.topic,
        "input_partition": _whole(letter.partition, 32),
        "input_offset": _whole(letter.offset, 64),
        "input_key": letter.key,
        "input_value": letter.value,
        "input_value_base64": letter.value_base64,
        "video_id": letter.video_id,
        "clip_id": letter.clip_id,
        "kind": letter.kind,
        "reason": letter.reason,
        "message": letter.message,
        "traceback": letter.traceback,
        "attempt": _whole(letter.attempt, 32),
        "failed_at": moment(letter.failed_at_s),
        "stored_at": moment(now_s),
    }


def dead_letter_key(row: Mapping[str, Any]) -> tuple[object, ...]:
    """What makes two dead letters the same: one input of one stage in one cluster fails once."""
    return tuple(row[name] for name in DEAD_LETTER_KEY)


DEAD_LETTER_KEY = ("cluster_id", "stage", "input_topic", "input_partition", "input_offset")


def _word(word: Word) -> Row:
    return {"text": word.text, "start_s": word.start_s, "end_s": word.end_s, "probability": word.probability}


def _whole(value: int, bits: int) -> int:
    """`value`, or -1 if no column of so many bits could hold it: a dead letter must always find its row."""
    return value if -(1 << (bits - 1)) <= value < 1 << (bits - 1) else -1
