"""Adapters of the models: Whisper, open_clip, CoCa."""
