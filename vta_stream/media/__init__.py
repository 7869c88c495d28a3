"""PyAV: probe, decode once, cut; and the formats of subtitles."""
