"""One budget and one circuit breaker for all downloads of a machine, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from vta_stream.ports import DeferError
from vta_stream.sources.egress import PROBE_S, REST_MAX_S, Egress, egress_file

Maker = Callable[[float], Egress]
"""Each call is another process of the machine, as it were."""


class Clock:
    """Time that passes only while somebody sleeps on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self._sleep = asyncio.sleep
        monkeypatch.setattr("vta_stream.sources.egress.asyncio.sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await self._sleep(0)

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def make(clock: Clock, tmp_path: Path) -> Maker:
    return lambda per_hour: Egress(per_hour, tmp_path / "state" / "egress.json", clock)


async def test_a_burst_then_the_average(clock: Clock, make: Maker) -> None:
    egress = make(360)
    for _ in range(30):  # what is due in five minutes
        await egress.take("example.org")
    assert clock.now_s == 1000.0
    for _ in range(10):
        await egress.take("example.org")
    assert clock.now_s == pytest.approx(1100.0)


async def test_the_budget_never_exceeds_the_burst(clock: Clock, make: Maker) -> None:
    egress = make(360)
    clock.now_s += 7 * 86400
    begun_s = clock.now_s
    for _ in range(31):
        await egress.take("example.org")
    assert clock.now_s == pytest.approx(begun_s + 10)


async def test_a_slow_budget_still_lets_one_go(clock: Clock, make: Maker) -> None:
    egress = make(1)
    await egress.take("example.org")
    assert clock.now_s == 1000.0
    await egress.take("example.org")
    assert clock.now_s == pytest.approx(4600.0)


async def test_a_pause_of_the_egress_holds_everybody_back(clock: Clock, make: Maker) -> None:
    egress = make(100_000)
    await egress.pause("egress", "www.youtube.com", 120)
    await egress.pause("egress", "www.youtube.com", 60)  # a shorter one does not shorten it
    await egress.take("example.org")
    assert clock.now_s == pytest.approx(1120.0)


async def test_a_pause_of_a_host_defers_that_host_only(clock: Clock, make: Maker) -> None:
    egress = make(100_000)
    await egress.pause("host", "slow.example", 120)
    await egress.take("example.org")
    assert clock.now_s == 1000.0
    with pytest.raises(DeferError) as caught:
        await egress.take("slow.example")
    assert (caught.value.reason, caught.value.scope, caught.value.after_s) == ("host_paused", "host", 120)
    clock.now_s += 121
    await egress.take("slow.example")


async def test_a_deferred_message_pauses_nobody(clock: Clock, make: Maker) -> None:
    egress = make(100_000)
    await egress.pause("message", "example.org", 120)
    await egress.take("example.org")
    assert clock.now_s == 1000.0


async def test_workers_of_a_machine_share_one_budget(clock: Clock, make: Maker) -> None:
    one, other = make(360), make(360)
    for _ in range(15):
        await one.take("example.org")
        await other.take("example.org")
    assert clock.now_s == 1000.0
    await other.take("example.org")
    assert clock.now_s == pytest.approx(1010.0)
    await make(360).take("example.org")
    assert clock.now_s == pytest.approx(1020.0), "a worker that is started anew has no fresh budget"


async def test_workers_of_a_machine_share_rests(clock: Clock, make: Maker) -> None:
    one, other = make(100_000), make(100_000)
    await one.pause("host", "slow.example", 120)
    with pytest.raises(DeferError, match=r"slow\.example"):
        await other.take("slow.example")
    await one.pause("egress", "www.youtube.com", 60)
    await other.take("example.org")
    assert clock.now_s == pytest.approx(1060.0)


async def test_after_a_rest_one_download_tries_and_the_others_wait_for_it(clock: Clock, make: Maker) -> None:
    egress = make(100_000)
    await egress.pause("egress", "www.youtube.com", 60)
    await egress.take("www.youtube.com")
    assert clock.now_s == pytest.approx(1060.0)
    await egress.take("www.youtube.com")
    assert clock.now_s == pytest.approx(1060.0 + PROBE_S), "it has not been refused all that time"
    await egress.worked()
    for _ in range(5):
        await egress.take("www.youtube.com")
    assert clock.now_s == pytest.approx(1060.0 + PROBE_S)


async def test_each_refused_try_doubles_the_rest(clock: Clock, make: Maker) -> None:
    egress = make(100_000)
    for rest_s in (60.0, 120.0, 240.0):
        for _ in range(3):  # downloads that had begun together are refused together
            await egress.pause("egress", "www.youtube.com", 60)
        begun_s = clock.now_s
        await egress.take("www.youtube.com")
        assert clock.now_s == pytest.approx(begun_s + rest_s)
    await egress.worked()
    await egress.pause("egress", "www.youtube.com", 60)
    begun_s = clock.now_s
    await egress.take("www.youtube.com")
    assert clock.now_s == pytest.approx(begun_s + 60), "what worked in between begins the count anew"


async def test_a_rest_does_not_double_without_end(clock: Clock, make: Maker) -> None:
    egress = make(100_000)
    for _ in range(30):
        await egress.pause("egress", "www.youtube.com", 60)
        begun_s = clock.now_s
        await egress.take("www.youtube.com")
    assert clock.now_s == pytest.approx(begun_s + REST_MAX_S)


async def test_a_clock_that_is_set_back_prolongs_nothing(clock: Clock, make: Maker) -> None:
    egress = make(360)
    for _ in range(30):
        await egress.take("example.org")
    await egress.pause("egress", "www.youtube.com", 60)
    clock.now_s -= 500
    await egress.take("example.org")
    assert clock.now_s == pytest.approx(560.0)


async def test_a_page_that_nobody_can_read_is_begun_anew(
    make: Maker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    egress = make(360)
    await egress.take("example.org")
    for spoilt in ("", "{", "[]", '{"written_at_s": "x"}', '{"written_at_s": 1, "cookies": 2}'):
        (tmp_path / "state" / "egress.json").write_text(spoilt, encoding="utf-8")
        await egress.take("example.org")
        assert "begun anew" in caplog.text
        caplog.clear()


def test_each_way_out_has_its_own_budget(tmp_path: Path) -> None:
    direct, one, other = (
        egress_file(tmp_path, "here", proxy) for proxy in (None, "http://a:1", "http://user:secret@b:1")
    )
    assert len({direct, one, other}) == 3
    assert "secret" not in str(other)
    assert egress_file(tmp_path, "here", "http://a:1") == one


def _take_what_there_is(file: Path) -> int:
    async def go() -> int:
        egress, taken = Egress(36, file), 0
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    await egress.take("example.org")
                    taken += 1
        return taken

    return asyncio.run(go())


def test_processes_that_take_at_once_take_no_more_than_there_is(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        taken = pool.map(_take_what_there_is, [tmp_path / "egress.json"] * 3, chunksize=1)
    assert sum(taken) == 3, "what is due in five minutes; the next one comes after a hundred seconds"
