"""What a person might do about a failure, by its kind and its reason."""

from __future__ import annotations

from vta_stream.domain.ids import YOUTUBE_ID
from vta_stream.stream.dead_letters import EXHAUSTED, TERMINAL, UNKNOWN

TRANSIENT, DEFERRED = "transient", "deferred"

_BY_KIND = {
    TERMINAL: "The stage says that this can never work with this input and these settings.",
    EXHAUSTED: "It failed too often in a way that may pass. Once the cause is gone, retry it.",
    UNKNOWN: "Nobody foresaw this error, or the process died of it: a defect of the program. Report it with the "
    "traceback; retry it after an update.",
    TRANSIENT: "It may pass: a worker would try it again by itself, later and later.",
    DEFERRED: "It will pass: a worker would wait and try it again by itself, and count no attempt.",
}
_BY_REASON = {
    "bad_message": "Nothing can be made of the message. Mend whatever published it, and publish it rightly.",
    "not_allowed": "Allow the source in the settings (download.url_hosts, download.file_roots, download.youtube) if it "
    "shall be taken, then retry it.",
    "disk_full": "Make room, then retry it.",
    "media_gone": "The media of this stage are not in the media store any more. Submit the video again.",
    "media_changed": "The media are not those of the message. Submit the video again.",
    "features_gone": "The features are not in the media store any more. Submit the video again.",
}


def advice_for(kind: str, reason: str) -> str:
    """A sentence or two. `kind` is a dead letter's, or `transient` or `deferred`, which become none."""
    return _BY_REASON.get(reason) or _BY_KIND.get(kind, "Look at the message and the traceback.")


def submit_again(video_id: str) -> str:
    """How to submit a video again of which the ID is known, and perhaps not the URL."""
    if YOUTUBE_ID.fullmatch(video_id):
        return f"vta-stream submit {video_id}"
    query = f"SELECT url FROM videos WHERE video_id = '{video_id}'"
    return f'vta-stream submit URL (the dataset may know it: vta-stream query "{query}")'
