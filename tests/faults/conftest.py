from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.faults.expectation")  # so that the oracle says what differs
