"""Ways to get a video: one file each."""
