"""The demo's page: accepted and rejected clips side by side, and whether each decision was right."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vta_stream.cli.demo_report import in_words, share_in_words
from vta_stream.report.page import Bar, Figure, Page, Remark, Table, Tone, chosen_clips, render, write_page
from vta_stream.toyworld.evaluation.decisions import percentile
from vta_stream.toyworld.world.defect import COVER, NOT_YET_COVERED, Defect

if TYPE_CHECKING:
    from vta_stream.cli.demo_report import Outcome
    from vta_stream.report.dataset import ShownClip, ShownDataset
    from vta_stream.settings import Settings
    from vta_stream.toyworld.evaluation.clip_truth import ClipFinding, MarkedSentence
    from vta_stream.toyworld.evaluation.decisions import Detection
    from vta_stream.toyworld.world.truth import VideoTruth

PRECISION_AIM, RECALL_AIM, DETECTION_AIM, BORDER_AIM_S = 0.97, 0.93, 0.85, 0.15
"""What the pipeline is to reach on the small world; a figure that does not is shown in red."""

LEAD = (
    "Short videos of coloured shapes with a narrator, of which everything is known. In many a defect was planted: "
    "words about another scene, a picture that stands still, another language, a file that breaks off. The pipeline "
    "saw only the videos; here is what it took, what it refused and why, and whether that was right."
)


def write_demo_page(path: Path, settings: Settings, outcome: Outcome, corpus_dir: Path) -> Path:
    """Write the page with pictures of the clips that it shows, from the samples and the corpus; returns its path."""
    bare = demo_page(outcome, settings.dataset_dir)
    shown = [
        clip
        for clips in (outcome.dataset.accepted, outcome.dataset.rejected)
        for clip in chosen_clips(clips, bare.remarks)
    ]
    page = replace(bare, pictures=dict(_pictures(settings, outcome, shown, corpus_dir)))
    write_page(path, render(page, outcome.dataset, shown))
    return path


def demo_page(outcome: Outcome, dataset_dir: Path) -> Page:
    """All that is on the page but the pictures."""
    return Page(
        title="What became of a small world",
        lead=LEAD,
        figures=tuple(_figures(outcome)),
        funnel=tuple(_funnel(outcome.dataset)),
        tables=tuple(_tables(outcome)),
        remarks={
            one.row.clip_id: _remark(one, outcome.truth.video(one.row.video)) for one in outcome.decisions.findings
        },
        footer=(
            f"Corpus: {len(outcome.truth.videos)} videos of the realm {outcome.truth.realm.value}, "
            f"seed {outcome.truth.seed}. Dataset: {dataset_dir}",
        ),
    )


def _pictures(
    settings: Settings, outcome: Outcome, shown: Sequence[ShownClip], corpus_dir: Path
) -> Iterator[tuple[str, bytes]]:
    """Of samples from the shards, as a trainer sees them; of rejected clips, which left no media, from the video."""
    from vta_stream.report.pictures import sample_pictures, video_pictures
    from vta_stream.stores.reader import open_reader

    with open_reader(settings) as lake:
        yield from sample_pictures(lake, settings.dataset_dir, [clip.clip_id for clip in shown if clip.accepted])
    rejected: dict[str, list[ShownClip]] = defaultdict(list)
    for clip in shown:
        if not clip.accepted:
            rejected[clip.video_id].append(clip)
    for video_id, clips in rejected.items():
        strips = video_pictures(corpus_dir / outcome.names[video_id], [clip.span for clip in clips])
        yield from zip((clip.clip_id for clip in clips), strips, strict=True)


def _figures(outcome: Outcome) -> Iterator[Figure]:
    decisions = outcome.decisions
    yield Figure(
        share_in_words(decisions.precision),
        "precision",
        f"{decisions.right} of {decisions.accepted} accepted clips are right",
        _tone(decisions.precision, PRECISION_AIM),
    )
    yield Figure(
        share_in_words(decisions.recall),
        "recall",
        f"{decisions.told_sentences} of {decisions.good_sentences} good sentences are in an accepted clip",
        _tone(decisions.recall, RECALL_AIM),
    )
    if decisions.borders_s:
        median_s = statistics.median(decisions.borders_s)
        yield Figure(
            f"{median_s:.2f} s",
            "from the right border",
            f"at the median; 90 % within {percentile(decisions.borders_s, 0.9):.2f} s",
            "good" if median_s <= BORDER_AIM_S else "bad",
        )
    covered = [one for one in decisions.detections if one.covered and one.planted]
    found = sum((one.share or 0.0) >= DETECTION_AIM for one in covered)
    yield Figure(
        f"{found} of {len(covered)}",
        "classes of defects found",
        f"at least {DETECTION_AIM:.0%} of what was planted was kept out",
        "good" if found == len(covered) else "bad",
    )
    uncovered = [one for one in decisions.detections if not one.covered]
    if uncovered:
        yield Figure(
            str(len(uncovered)), "classes not yet covered", ", ".join(in_words(one.defect) for one in uncovered)
        )


def _funnel(dataset: ShownDataset) -> Iterator[Bar]:
    failed = Counter(one.reason or "failed" for one in dataset.videos if one.status == "failed")
    yield Bar("videos published", len(dataset.videos))
    yield Bar("done", sum(one.status == "done" for one in dataset.videos), "good", inset=True)
    for reason, count in failed.most_common():
        yield Bar(f"failed: {in_words(reason)}", count, "bad", inset=True)
    yield Bar("clips", len(dataset.clips))
    yield Bar("accepted", len(dataset.accepted), "good", inset=True)
    for name, count in dataset.refused_by.most_common():
        yield Bar(f"rejected by {in_words(name)}", count, "bad", inset=True)


def _tables(outcome: Outcome) -> Iterator[Table]:
    decisions = outcome.decisions
    ordered = sorted((one for one in decisions.detections if one.planted), key=lambda one: not one.covered)
    yield Table(
        "What was planted",
        "How much of each class of defect was kept out of the dataset (of what the server gives only at the second "
        "try: how much was fetched all the same), and how much of that for the reason that is expected.",
        ("defect", "planted", "kept out", "share", "as expected", "expected because"),
        tuple(_class_row(one) for one in ordered),
    )
    if decisions.lost:
        yield Table(
            "Good sentences that were lost",
            "True, shown and spoken well, and yet in no accepted clip.",
            ("refused by", "sentences"),
            tuple(
                ("plain", (in_words(name), str(count)))
                for name, count in sorted(decisions.lost.items(), key=lambda item: -item[1])
            ),
        )


def _class_row(one: Detection) -> tuple[Tone, tuple[str, ...]]:
    counts = in_words(one.defect), str(one.planted), str(one.kept_out)
    if not one.covered:
        return "quiet", (*counts, "–", "–", f"not yet covered: {COVER[one.defect].why}")
    tone: Tone = "plain" if (one.share or 0.0) >= DETECTION_AIM else "bad"
    return tone, (*counts, f"{one.share or 0.0:.0%}", str(one.expected), COVER[one.defect].why)


def _remark(finding: ClipFinding, video: VideoTruth) -> Remark:
    """Whether the decision was right, in words, and every sentence of the truth that the clip tells."""
    planted = (
        "nothing is wrong with this video" if video.defect is Defect.NONE else f"planted: {in_words(video.defect)}"
    )
    uncovered = video.defect in NOT_YET_COVERED
    if finding.right:
        tone: Tone = "plain" if finding.row.accepted else "bad"
        headline = "rightly accepted" if finding.row.accepted else "should have been accepted"
    elif finding.row.accepted:
        tone = "quiet" if uncovered else "bad"
        headline = "accepted, since no filter looks for this yet" if uncovered else "should have been rejected"
    else:
        tone, headline = "plain", "rightly rejected"
    sentences = tuple(_sentence(one, video) for one in finding.sentences)
    return Remark(f"{headline}; {planted}", tone, sentences)


def _sentence(marked: MarkedSentence, video: VideoTruth) -> tuple[Tone, str, str]:
    text = marked.truth.text
    match marked.mark:
        case "right":
            return "good", text, ""
        case "aside":
            return "quiet", text, "says nothing of the picture"
        case "misheard":
            return "bad", text, "true, but heard otherwise"
        case "torn":
            return "bad", text, "true, but not whole in the clip"
        case _:
            return (
                "bad",
                text,
                f"true, but {in_words(video.defect)}" if marked.truth.right else "not true of this picture",
            )


def _tone(share: float | None, aim: float) -> Tone:
    if share is None:
        return "plain"
    return "good" if share >= aim else "bad"
