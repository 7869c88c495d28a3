from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from vta_stream.stream import noise


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    before = {name: logging.getLogger(name) for name in (*noise.FAMILIES, noise.of_broker.name)}
    kept = {name: (logger.level, logger.propagate, logger.handlers) for name, logger in before.items()}
    hook = threading.excepthook
    yield
    threading.excepthook = hook
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
    assert [record.getMessage() for record in caplog.records] == ["no broker 0"]
    now_s += 1
    logging.getLogger("faust.app").error("still none")
    noise.of_broker.warning("records wait for the broker")
    assert caplog.records[1].getMessage() == "still none (and 999 lines about the broker left out)"


def test_an_exception_of_theirs_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    noise.limit_noise()
    try:
        raise ConnectionError("no\nbroker")
    except ConnectionError:
        logging.getLogger("mode.worker").exception("crashed")
    (line,) = caplog.text.splitlines()
    assert line.endswith(r"crashed: ConnectionError('no\nbroker')")


def test_a_thread_that_breaks_is_one_line_too(caplog: pytest.LogCaptureFixture) -> None:
    noise.limit_noise()
    thread = threading.Thread(target=lambda: 1 / 0, name="consumer 3")
    thread.start()
    thread.join()
    assert [record.getMessage() for record in caplog.records] == [
        "consumer 3 broke: ZeroDivisionError('division by zero')"
    ]
