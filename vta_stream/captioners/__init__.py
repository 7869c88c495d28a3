"""One file a captioner."""
