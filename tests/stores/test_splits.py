from __future__ import annotations

from collections import Counter

from vta_stream.stores.splits import split_of

GROUPS = [f"channel-{number}" for number in range(20_000)]


def test_shares_are_met() -> None:
    counted = Counter(split_of(group, 0.05, 0.1) for group in GROUPS)
    assert abs(counted["val"] / len(GROUPS) - 0.05) < 0.01
    assert abs(counted["test"] / len(GROUPS) - 0.1) < 0.01
    assert {split_of(group, 0.0, 0.0) for group in GROUPS[:1000]} == {"train"}


def test_a_group_keeps_its_split_for_ever() -> None:
    assert [split_of(group, 0.3, 0.3) for group in ("a", "b", "h", "i", "j")] == [
        "val",
        "test",
        "train",
        "val",
        "test",
    ]


def test_larger_shares_take_from_train_alone() -> None:
    for group in GROUPS[:2000]:
        before, after = split_of(group, 0.1, 0.1), split_of(group, 0.3, 0.2)
        assert before in ("train", after)
