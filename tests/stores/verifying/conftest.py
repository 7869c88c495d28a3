from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.verifying.worlds import copied, forget_template


@pytest.fixture(scope="package", autouse=True)
def _template_goes() -> Iterator[None]:
    yield
    forget_template()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A dataset's folder in which nothing is wrong yet."""
    return copied(tmp_path)
