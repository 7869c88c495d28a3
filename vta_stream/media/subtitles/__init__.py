"""Subtitles of every kind to cues: files (vtt, srt, json3, ass) and streams inside the video.

read.py      chooses the reader, bounds the size, refuses what holds nothing
blocks.py    WebVTT and SubRip;  json3.py  YouTube's own;  streams.py  embedded, and ass
cleaning.py  markup to spoken words;  cues.py  rolling duplicates, sane times, word times
"""

from vta_stream.media.subtitles.base import SubtitleError
from vta_stream.media.subtitles.read import read_subtitle

__all__ = ["SubtitleError", "read_subtitle"]
