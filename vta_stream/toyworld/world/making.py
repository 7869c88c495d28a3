"""One video of a corpus: planned, filmed, spoilt if it has to be, and its truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vta_stream.toyworld.world.defect import NOT_SERVED, Defect
from vta_stream.toyworld.world.defects import cut_in_pause, cut_tail, look_of, overwrite_head
from vta_stream.toyworld.world.film import pictures, write_film, write_subtitles
from vta_stream.toyworld.world.near_duplicate import changed, draw_changes, write_copy
from vta_stream.toyworld.world.plan import Plan, truth_of
from vta_stream.toyworld.world.planning import Order, draw_plan
from vta_stream.toyworld.world.realm import rng_of
from vta_stream.toyworld.world.sound import mix
from vta_stream.toyworld.world.truth import VideoTruth

_DAMAGES = 3
_KEPT_SHARE = 0.6


def make_video(order: Order, folder: Path) -> VideoTruth:
    """Write the video (and its subtitles) into `folder` and return its truth; files appear when they are whole.

    Of what the server does not give away no file is written. Raises SpeechMissing without espeak-ng.
    """
    if order.defect in NOT_SERVED:
        return VideoTruth(order.name, order.defect, 0.0, None, (), ())
    part = folder / f"{order.name}.part"
    truth = _film(order, part)
    part.replace(folder / order.name)
    if truth.subtitles:
        write_subtitles(folder / truth.subtitles, truth.sentences)
    return truth


def _film(order: Order, path: Path) -> VideoTruth:
    if order.defect is Defect.NEAR_DUPLICATE:
        return _film_copy(order, path)
    plan = draw_plan(order)
    if order.defect is Defect.DAMAGED:
        return _film_damaged(order, plan, path)
    _write(plan, path)
    return truth_of(plan)


def _film_copy(order: Order, path: Path) -> VideoTruth:
    assert order.original is not None, "a near-duplicate is one of something"
    source = replace(order, number=order.original, defect=Defect.NONE, original=None)
    original = draw_plan(source)
    changes = draw_changes(rng_of(order.realm, order.seed, f"copy {order.number}"), original)
    whole = path.with_suffix(".original")
    _write(original, whole)
    try:
        write_copy(path, whole, changes, original.fps)
    finally:
        whole.unlink()
    copy = replace(changed(original, changes), name=order.name, defect=order.defect)
    truth = truth_of(copy)
    return replace(truth, original=source.name, changes=changes.in_words(original.frame_count))


def _film_damaged(order: Order, plan: Plan, path: Path) -> VideoTruth:
    """Without its index, which came last; broken off in the middle; or without a head that can be read: in turn."""
    kind = order.variant % _DAMAGES
    _write(plan, path, index_first=kind == 1)
    lost_from_s = 0.0
    if kind == 0:
        done = cut_tail(path, round(_KEPT_SHARE * path.stat().st_size)) + ", its index among the rest"
    elif kind == 1:
        size_bytes, lost_from_s = cut_in_pause(path, plan)
        done = cut_tail(path, size_bytes)
    else:
        done = overwrite_head(path, rng_of(order.realm, order.seed, f"noise {order.number}"))
    return replace(truth_of(plan), damaged_s=(round(lost_from_s, 4), round(plan.duration_s, 4)), changes=(done,))


def _write(plan: Plan, path: Path, *, index_first: bool = True) -> None:
    write_film(path, pictures(plan, look_of(plan)), mix(plan), plan.fps, index_first=index_first)
