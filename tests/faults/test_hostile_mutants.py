"""Three hundred damaged videos: each ends with clips or with a reason, none takes its worker along or needs a deadline.

The long form is `python -m tests.faults.hostile --mutants 10000`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hostile.examining import CLIPS, examine
from tests.faults.hostile.mutants import DAMAGES, Mutant, make_mutant
from tests.faults.hostile.originals import make_originals

COUNT = 300
FOUND = (1_000_045, 3_000_084)
"""Damages of the long form that once showed a defect of ours."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_originals(tmp_path_factory.mktemp("originals"))


@pytest.mark.timeout(1500)
async def test_each_ends_with_clips_or_a_reason(originals: dict[str, bytes], tmp_path: Path) -> None:
    found = await examine((make_mutant(originals, number) for number in (*range(COUNT), *FOUND)), tmp_path)
    assert not found.wrong, "\n".join(found.wrong)
    assert found.count == COUNT + len(FOUND)
    assert set(found.outcomes) == set(DAMAGES)
    for kind, outcomes in found.outcomes.items():
        assert len(outcomes) >= 3, f"{kind} should break more than this: {outcomes}"
        assert 0 < outcomes[CLIPS] < outcomes.total(), f"{kind} spoils all or nothing: {outcomes}"


async def test_the_whole_ones_give_clips(originals: dict[str, bytes], tmp_path: Path) -> None:
    whole = [Mutant(0, name, "whole", content) for name, content in originals.items()]
    found = await examine(whole, tmp_path)
    assert not found.wrong
    assert {kind: dict(outcomes) for kind, outcomes in found.outcomes.items()} == {"whole": {CLIPS: len(originals)}}


def test_a_number_is_a_mutant(originals: dict[str, bytes]) -> None:
    made = [make_mutant(originals, number) for number in range(40)]
    assert made == [make_mutant(originals, number) for number in range(40)]
    assert len({mutant.content for mutant in made}) > 35
    assert all(mutant.content != originals[mutant.original] for mutant in made if mutant.kind != "header_lies")
