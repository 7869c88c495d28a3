"""The places of `backends`, each a fresh one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.backends import KINDS, Backend


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A dataset's place on Postgres, on S3, and on both."""
    place = Backend(tmp_path)
    if "postgres" in request.param:
        place.put_catalog(request.getfixturevalue("postgres"))
    if "s3" in request.param:
        place.put_files(request.getfixturevalue("s3"))
    return place
