"""vta_stream: an endless stream of video IDs becomes a video-text dataset, exactly once."""

__version__ = "0.1.0"
