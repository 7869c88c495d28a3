from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from vta_stream.stream import noise


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    before = {name: logging.getLogger(name) for name in noise.FAMILIES}
    kept = {name: (logger.level, logger.propagate, logger.handlers) for name, logger in before.items()}
    yield
    for name, (level, propagate, handlers) in kept.items():
        before[name].setLevel(level)
        before[name].propagate = propagate
        before[name].handlers = handlers


def test_a_flood_becomes_a_few_lines_that_count_the_rest(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(noise.time, "monotonic", lambda: now_s)
    noise.limit_noise()
    logger = logging.getLogger("aiokafka.conn")
    logger.info("below the level")
    for number in range(1000):
        logger.warning("no broker %d", number)
    assert [record.getMessage() for record in caplog.records] == [f"no broker {number}" for number in range(5)]
    now_s += 1
    logging.getLogger("faust.app").error("still none")
    assert caplog.records[5].getMessage() == "still none (and 995 lines of the broker's clients left out)"
