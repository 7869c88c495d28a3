"""One file a filter: a frozen dataclass with its limits and `judge(clip) -> Verdict`."""
