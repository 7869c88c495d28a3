"""Which record each topic carries. The contracts in `topics/` say the same to the world; a test compares."""

from __future__ import annotations

from vta_stream.domain.clip import Clip, SegmentedVideo
from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.transcript import TranscribedVideo
from vta_stream.domain.video import Video, VideoRequest

RECORDS: dict[str, type] = {
    "videos": VideoRequest,
    "videos.downloaded": Video,
    "videos.transcribed": TranscribedVideo,
    "videos.done": SegmentedVideo,
    "clips.segmented": Clip,
    "clips.scored": Clip,
    "clips.rejected": Clip,
    "clips.captioned": Clip,
    "clips.embedded": Clip,
    "dead-letters": DeadLetter,
}

INPUTS: dict[str, tuple[str, ...]] = {
    "download": ("videos",),
    "transcribe": ("videos.downloaded",),
    "segment": ("videos.transcribed",),
    "score": ("clips.segmented",),
    "caption": ("clips.scored",),
    "embed": ("clips.captioned",),
    "store": ("clips.embedded", "clips.rejected", "videos.done", "dead-letters"),
}
"""The agents in their order, and the topics each reads. All but the store also read `<stage>.retries`."""

RETRIED_IN_PLACE = frozenset({"store"})
"""Ordered agents: nothing may overtake, so they try again where they stand, and have no retries topic."""
