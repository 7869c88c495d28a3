"""One commit's worth of records, written within one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vta_stream.domain.clip import Clip, SegmentedVideo
from vta_stream.domain.delivery import DeadLetter, Delivery, Position
from vta_stream.domain.ids import VIDEO_ID
from vta_stream.failpoints import hit
from vta_stream.ports import MediaStore, StageError, TerminalError
from vta_stream.settings.work import StoreSettings
from vta_stream.stores.lake import clean
from vta_stream.stores.rows import (
    DEAD_LETTER_KEY,
    Row,
    caption_rows,
    clip_row,
    dead_letter_key,
    dead_letter_row,
    embedding_row,
    sample_row,
)
from vta_stream.stores.samples import load_embeddings, make_samples
from vta_stream.stores.shard_set import ShardSet
from vta_stream.stores.splits import split_of
from vta_stream.stores.video_rows import VideoChanges, update_videos

if TYPE_CHECKING:
    from vta_stream.stores.lake import Lake

ACCEPTED_TOPIC = "clips.embedded"
MEDIA_GONE = "media_gone"


@dataclass
class Written:
    """What a batch did, to be counted once it is committed."""

    failures: dict[int, StageError] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    clips: list[tuple[Clip, bool]] = field(default_factory=list)
    """New clips, and whether they are accepted."""
    ended_videos: dict[str, str] = field(default_factory=dict)
    """Videos that ended with this batch, and how: done or failed."""
    seen_again: list[tuple[str, str]] = field(default_factory=list)
    """(video, clip) of clips that the lake had before."""
    segmented: dict[str, SegmentedVideo] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    """The status of every video that the batch touched, by ID."""


class Batch:
    """Takes the records of a batch in: `gather` before the transaction, `insert` within it.

    What `gather` has read still holds then, because nobody else writes: the transaction fails otherwise.
    """

    def __init__(self, lake: Lake, shards: ShardSet, media: MediaStore, settings: StoreSettings, now_s: float) -> None:
        self._lake = lake
        self._shards = shards
        self._media = media
        self._settings = settings
        self._now_s = now_s
        self._rows: dict[str, list[Row]] = {}
        self._letters: list[tuple[DeadLetter, Position]] = []
        self._touched: set[str] = set()
        self.written = Written()

    def gather(self, deliveries: Sequence[tuple[int, Delivery[Any]]]) -> None:
        """Sort the records (with their index, for the failures), and put the samples where they survive.

        TransientError: the whole batch failed. An upload takes its time, and no transaction waits for it.
        """
        clips: list[tuple[int, str, Clip]] = []
        for index, delivery in deliveries:
            record = delivery.record
            if isinstance(record, Clip):
                clips.append((index, delivery.topic, record))
            elif isinstance(record, SegmentedVideo):
                self.written.segmented[record.video_id] = record
                self._touched.add(record.video_id)
            elif isinstance(record, DeadLetter):
                self._letters.append((record, delivery.position))
            else:
                self.written.failures[index] = TerminalError(
                    "unexpected_record", f"{delivery.topic} carries a {type(record).__name__}, which no table takes"
                )
        self._add_clips(clips)
        self._shards.persist()
        hit("store.appended")

    def insert(self) -> Written:
        """Write the rows."""
        for table, rows in self._rows.items():
            self._insert(table, rows)
        self._add_dead_letters(self._letters)
        self._update_videos()
        self._shards.save(self._lake)
        return self.written

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        self._lake.insert(table, rows)
        self.written.rows[table] += len(rows)

    def _known_clips(self, clip_ids: Iterable[str]) -> set[str]:
        wanted = [{"clip_id": clip_id} for clip_id in set(clip_ids)]
        if not wanted:
            return set()
        with self._lake.lookup("wanted_clips", wanted):
            return {
                clip_id
                for (clip_id,) in self._lake.rows("SELECT clip_id FROM clips SEMI JOIN wanted_clips USING (clip_id)")
            }

    def _add_clips(self, clips: Sequence[tuple[int, str, Clip]]) -> None:
        known = self._known_clips(clip.clip_id for _, _, clip in clips)
        for index, topic, clip in clips:
            self._touched.add(clip.video_id)
            if clip.clip_id in known:
                self.written.repeats["id"] += 1
                self.written.seen_again.append((clip.video_id, clip.clip_id))
                continue
            try:
                self._add_clip(clip, accepted=topic == ACCEPTED_TOPIC and clip.accepted)
            except TerminalError as error:
                self.written.failures[index] = error
                continue
            known.add(clip.clip_id)

    def _add_clip(self, clip: Clip, *, accepted: bool) -> None:
        split = split_of(clip.split_group, self._settings.val_share, self._settings.test_share)
        if accepted:
            features = clip.features
            embeddings = load_embeddings(features, self._media) if features else None
            # All samples are made before the first is appended: a clip is in all its shards or in none.
            for layout, sample in list(make_samples(clip, split, self._media, embeddings)):
                place = self._shards.append(layout, sample)
                self._add("samples", sample_row(clip, layout, split, place))
                hit("store.appending")
            if features and embeddings:
                self._add("embeddings", embedding_row(clip, features.model, embeddings))
        self._add("clips", clip_row(clip, accepted=accepted, split=split, now_s=self._now_s))
        for row in caption_rows(clip):
            self._add("captions", row)
        self.written.clips.append((clip, accepted))

    def _add(self, table: str, row: Row) -> None:
        self._rows.setdefault(table, []).append(row)

    def _add_dead_letters(self, letters: Sequence[tuple[DeadLetter, Position]]) -> None:
        if not letters:
            return
        rows = [clean(dead_letter_row(letter, position, self._now_s)) for letter, position in letters]
        ended_clips, ended = self._ended_before(rows)
        with self._lake.lookup("incoming_keys", [{name: row[name] for name in DEAD_LETTER_KEY} for row in rows]):
            columns = ", ".join(DEAD_LETTER_KEY)
            known: set[tuple[object, ...]] = set(
                self._lake.rows(f"SELECT {columns} FROM dead_letters SEMI JOIN incoming_keys USING ({columns})")
            )
        new: list[Row] = []
        for row in rows:
            video_id = row["video_id"]
            if video_id and VIDEO_ID.fullmatch(video_id):
                self._touched.add(video_id)
            if row["clip_id"] in ended_clips:
                self.written.seen_again.append((video_id or "", row["clip_id"]))
            late = row["reason"] == MEDIA_GONE and (
                row["clip_id"] in ended_clips or (video_id, row["clip_id"]) in ended
            )
            if dead_letter_key(row) in known or late:
                self.written.repeats["id"] += 1
                continue
            known.add(dead_letter_key(row))
            new.append(row)
        self._insert("dead_letters", new)

    def _ended_before(self, rows: Sequence[Row]) -> tuple[set[str], set[tuple[str, str | None]]]:
        """Of what dead letters are about: the clips that ended before, and (video, clip) where the video did.

        When a video has ended, its media go. If it was published twice, or a record of it was sent twice, what is
        still under way then finds them gone: a repeat, and no failure. That a video failed counts only for letters
        about all of it, since it may be on its way again, with clips that are new.
        """
        with self._lake.lookup("about", [{"video_id": row["video_id"], "clip_id": row["clip_id"]} for row in rows]):
            clips = self._lake.rows(
                "FROM (SELECT clip_id FROM clips UNION SELECT clip_id FROM dead_letters) "
                "WHERE clip_id IN (SELECT clip_id::VARCHAR FROM about)"  # a column of nothing but NULL has no type
            )
            videos = self._lake.rows(
                "SELECT about.video_id, about.clip_id FROM about "
                "JOIN videos ON about.video_id::VARCHAR = videos.video_id "
                "WHERE status = 'done' OR (status = 'failed' AND about.clip_id IS NULL)"
            )
        return {clip_id for (clip_id,) in clips}, set(videos)

    def _update_videos(self) -> None:
        changes: VideoChanges = update_videos(
            self._lake, self._touched, self.written.segmented.values(), self._media, self._now_s
        )
        self.written.rows["videos"] += changes.written
        self.written.rows["transcripts"] += changes.transcripts
        self.written.repeats["id"] += changes.repeats
        self.written.ended_videos = dict(changes.ended)
        self.written.status = dict(changes.status)
