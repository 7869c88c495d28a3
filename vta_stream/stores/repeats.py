"""Videos that are published again though they are done: when may their media go a second time?"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vta_stream.stores.batch import Written

_REMEMBERED_VIDEOS = 10_000


class Repeats:
    """Remembers which known clips of a video came again, until all of them have.

    Only to remove the media as late as the first time round, and not under the stages that still work on
    the rest. It forgets at the end of the process, and the oldest beyond 10,000 videos; then the store
    agent's sweep removes the media a day later.
    """

    def __init__(self) -> None:
        self._clips: OrderedDict[str, set[str]] = OrderedDict()
        self._wanted: OrderedDict[str, int] = OrderedDict()

    def finished(self, written: Written) -> list[str]:
        """The videos that ended with this commit, for the first time or again."""
        for video_id, clip_id in written.seen_again:
            self._clips.setdefault(video_id, set()).add(clip_id)
            self._clips.move_to_end(video_id)
        for video_id, segmented in written.segmented.items():
            self._wanted[video_id] = segmented.clip_count
        finished = list(written.ended_videos)
        for video_id, status in written.status.items():
            if video_id in written.ended_videos or status == "processing" or video_id not in self._wanted:
                continue
            if len(self._clips.get(video_id, ())) >= self._wanted[video_id]:
                finished.append(video_id)
        for video_id in finished:
            self._clips.pop(video_id, None)
            self._wanted.pop(video_id, None)
        for memory in (self._clips, self._wanted):
            while len(memory) > _REMEMBERED_VIDEOS:
                memory.popitem(last=False)
        return finished
