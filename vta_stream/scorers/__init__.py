"""One file a scorer: it measures clips and decides nothing."""
