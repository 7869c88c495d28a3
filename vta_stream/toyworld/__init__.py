"""A small world made by code, whose truth is known: videos, small models trained on them, and how both are judged."""
