"""The decisions of the pipeline against the planted truth: precision, recall, what was found of each defect, borders.

Pure: the truth and the rows of the dataset come in, figures come out.

- *Precision* is the share of right clips (`find_clip` says what that means) among those accepted.
- *Recall* is the share of the truth's good sentences that are told whole in an accepted clip. Sentences, because
  how many of them make a clip is the pipeline's own choice: it may neither gain nor lose by making longer clips.
- *Detection* of a class of defect is the share of its planted occurrences that did not get into the dataset. What
  an occurrence is, `occurrences` says. For what the server gives only at the second try it is the share of videos
  that were fetched all the same.

Videos with a defect for which there is no filter yet (`NOT_YET_COVERED`) are left out of precision and recall, and
told apart: by name, and by how much of them was accepted.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vta_stream.toyworld.evaluation.clip_truth import ClipFinding, ClipRow, border_errors_s, find_clip, words_inside
from vta_stream.toyworld.world.defect import COVER, NOT_SERVED, NOT_YET_COVERED, SERVED_BADLY, Defect
from vta_stream.toyworld.world.truth import CorpusTruth, Kind, SentenceTruth, VideoTruth

_BORDER_S = 0.1
"""Cuts are found to the frame, and damage a few frames late; less than this is nobody's word or picture."""

IN_NO_CLIP = "in no clip"
"""Why a sentence was lost that segment put into no clip, or not whole."""


@dataclass(frozen=True, slots=True)
class VideoRow:
    """What the dataset says of a video, under the truth's name; `status` is done or failed."""

    name: str
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Where a defect is planted once; `sentence` where it concerns what is said."""

    start_s: float
    end_s: float
    sentence: SentenceTruth | None = None

    def is_in(self, clip: ClipRow) -> bool:
        """Whether a clip has any of it: a word, or more of the span than a frame at its border."""
        if self.sentence is not None:
            return bool(words_inside(self.sentence, clip))
        return min(clip.end_s, self.end_s) - max(clip.start_s, self.start_s) > _BORDER_S


@dataclass(frozen=True, slots=True)
class Detection:
    """What became of one class. `expected`: of those kept out, how many by a filter or reason that is there for it."""

    defect: Defect
    planted: int
    kept_out: int
    expected: int

    @property
    def covered(self) -> bool:
        """Whether there is anything that looks for it yet."""
        return self.defect not in NOT_YET_COVERED

    @property
    def share(self) -> float | None:
        """From 0.0 to 1.0; None if nothing was planted."""
        return self.kept_out / self.planted if self.planted else None


@dataclass(frozen=True, slots=True)
class Decisions:
    """The figures, and what they were made of. Shares are None where there is nothing to share.

    `lost` counts good sentences that are in no accepted clip, by the filters that refused them (a sentence that two
    filters refused counts for both) or `IN_NO_CLIP`; `borders_s` are the errors of all starts and ends of accepted
    clips, covered videos only. `uncovered_accepted` are accepted clips of videos that are not yet covered.
    """

    findings: tuple[ClipFinding, ...]
    accepted: int
    right: int
    good_sentences: int
    told_sentences: int
    lost: Mapping[str, int]
    detections: tuple[Detection, ...]
    borders_s: tuple[float, ...]
    uncovered_accepted: int

    @property
    def precision(self) -> float | None:
        """Right ones among accepted clips."""
        return self.right / self.accepted if self.accepted else None

    @property
    def recall(self) -> float | None:
        """Good sentences in accepted clips among all good ones."""
        return self.told_sentences / self.good_sentences if self.good_sentences else None

    def as_json(self) -> dict[str, object]:
        """The figures for `--json`; keys as in the issue: `precision`, `recall`, `border_error_s.median`."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "border_error_s": {
                "median": statistics.median(self.borders_s) if self.borders_s else None,
                "p90": percentile(self.borders_s, 0.9),
                "count": len(self.borders_s),
            },
            "judged": {
                "clips_accepted": self.accepted,
                "clips_right": self.right,
                "good_sentences": self.good_sentences,
                "good_sentences_told": self.told_sentences,
                "good_sentences_lost_by": dict(self.lost),
            },
            "detection": {
                one.defect.value: {
                    "planted": one.planted,
                    "kept_out": one.kept_out,
                    "as_expected": one.expected,
                    "share": one.share,
                }
                for one in self.detections
                if one.covered
            },
            "not_yet_covered": {
                one.defect.value: {"planted": one.planted, "kept_out": one.kept_out}
                for one in self.detections
                if not one.covered
            },
            "not_yet_covered_clips_accepted": self.uncovered_accepted,
        }


def judge_decisions(
    truth: CorpusTruth, videos: Iterable[VideoRow], clips: Iterable[ClipRow], padding_s: float
) -> Decisions:
    """Compare what the dataset holds of a corpus with its truth. `padding_s` is the setting of segment.

    A video of the truth without a row has not ended: its sentences are lost, and its defect was not found. KeyError
    for a row of a video that is not in the truth.
    """
    by_name = {video.name: video for video in truth.videos}
    ended = {row.name: row for row in videos}
    findings = tuple(find_clip(row, by_name[row.video]) for row in clips)
    rows = {name: [one.row for one in findings if one.row.video == name] for name in by_name}
    covered = [one for one in findings if one.row.accepted and by_name[one.row.video].defect not in NOT_YET_COVERED]
    borders = [border_errors_s(one.row, by_name[one.row.video], padding_s) for one in covered]
    good = [(video, sentence) for video in truth.videos for sentence in video.good]
    lost = [(video, sentence) for video, sentence in good if not _told(sentence, rows[video.name])]
    return Decisions(
        findings=findings,
        accepted=len(covered),
        right=sum(one.right for one in covered),
        good_sentences=len(good),
        told_sentences=len(good) - len(lost),
        lost=Counter(why for video, sentence in lost for why in _why_lost(sentence, rows[video.name])),
        detections=tuple(_detections(truth.videos, ended, rows)),
        borders_s=tuple(error_s for pair in borders if pair is not None for error_s in pair),
        uncovered_accepted=sum(one.row.accepted for one in findings) - len(covered),
    )


def occurrences(video: VideoTruth) -> tuple[Occurrence, ...]:
    """Where in a video its defect is planted.

    A video that is not served, or served badly, or too short, is one occurrence; of a damaged one it is the span in
    which nothing can be relied on. Without speech it is each shot. Of what concerns the words or the picture, it is
    each sentence: of another language; not right, where narration was moved or is another scene's; else every
    statement.
    """
    statements = tuple(Occurrence(one.start_s, one.end_s, one) for one in video.sentences if one.kind is Kind.STATEMENT)
    match video.defect:
        case Defect.NONE:
            return ()
        case Defect.NO_SPEECH:
            return tuple(Occurrence(shot.start_s, shot.end_s) for shot in video.shots)
        case Defect.DAMAGED if video.damaged_s is not None:
            return (Occurrence(*video.damaged_s),)
        case Defect.FOREIGN:
            return tuple(Occurrence(one.start_s, one.end_s, one) for one in video.sentences if one.kind is Kind.FOREIGN)
        case Defect.OTHER_SCENE | Defect.SHIFTED:
            return tuple(one for one in statements if one.sentence and not one.sentence.right)
        case defect if defect in NOT_SERVED | SERVED_BADLY or defect in (Defect.TOO_SHORT, Defect.DAMAGED):
            return (Occurrence(0.0, math.inf),)
        case _:
            return statements


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all values does not exceed; None without any."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _told(sentence: SentenceTruth, rows: Sequence[ClipRow]) -> bool:
    return any(row.accepted and len(words_inside(sentence, row)) == len(sentence.words) for row in rows)


def _why_lost(sentence: SentenceTruth, rows: Sequence[ClipRow]) -> tuple[str, ...]:
    holding = [row for row in rows if len(words_inside(sentence, row)) == len(sentence.words)]
    return tuple(sorted({name for row in holding for name in row.refused_by})) or (IN_NO_CLIP,)


def _detections(
    videos: Sequence[VideoTruth], ended: Mapping[str, VideoRow], rows: Mapping[str, Sequence[ClipRow]]
) -> Iterator[Detection]:
    """One for each class, planted or not."""
    for defect, cover in COVER.items():
        planted = kept_out = expected = 0
        for video in videos:
            row = ended.get(video.name) if video.defect is defect else None
            for one in occurrences(video) if video.defect is defect else ():
                planted += 1
                reasons = _kept_out(one, video, row, rows[video.name])
                kept_out += reasons is not None
                expected += bool(reasons and cover.found_by & reasons)
        yield Detection(defect, planted, kept_out, expected)


def _kept_out(
    planted: Occurrence, video: VideoTruth, row: VideoRow | None, clips: Sequence[ClipRow]
) -> set[str] | None:
    """Why this occurrence is not in the dataset; None if it is, or if its video has not ended."""
    if row is None:
        return None
    if video.defect in SERVED_BADLY:
        return set(COVER[video.defect].found_by) if row.status == "done" else None
    touching = [clip for clip in clips if planted.is_in(clip)]
    if any(clip.accepted for clip in touching):
        return None
    return {name for clip in touching for name in clip.refused_by} | ({row.reason} if row.reason else set())
