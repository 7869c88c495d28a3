"""What is kept: the media in progress, the lake, the shards."""
