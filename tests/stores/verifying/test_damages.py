"""Every damage leads to its findings and to no others, and a repair mends what it says that it mends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.verifying.damages import FILES, Damage
from tests.stores.verifying.row_damages import ROWS
from vta_stream.stores.verifying import KINDS, Report, check, repair

ELSEWHERE = {"table_file_missing", "table_file_damaged", "moved", "mark_missing"}
"""Kinds that are in test_table_files.py and test_bucket.py."""


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def test_every_kind_of_finding_is_planted() -> None:
    planted = {kind for damage in (*ROWS, *FILES) for kind, _ in damage.expected}
    assert planted | ELSEWHERE == set(KINDS)


@pytest.mark.parametrize("damage", [*ROWS, *FILES], ids=lambda damage: damage.name.replace(" ", "_"))
def test_a_damage_is_found_and_mended(whole: Path, damage: Damage) -> None:
    damage.plant(whole)
    repaired = repair(whole)
    found = [(finding.kind, finding.place) for finding in repaired.before.findings]
    assert sorted(found) == sorted(damage.expected)
    left = {kind for kind, _ in damage.expected if KINDS[kind].mend != "repair"}
    assert kinds(repaired.after) == left
    if any(KINDS[kind].mend == "drop" for kind in left):
        dropped = repair(whole, drop_lost=True)
        assert kinds(dropped.after) == {kind for kind in left if KINDS[kind].mend == "none"}
        assert dropped.submit
    if not left:
        assert repaired.done
        assert kinds(check(whole)) == set()
