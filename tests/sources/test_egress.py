"""One budget for all downloads, on a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from vta_stream.ports import DeferError
from vta_stream.sources.egress import Egress


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


async def test_a_burst_then_the_average(clock: Clock) -> None:
    egress = Egress(360, clock)
    for _ in range(30):  # what is due in five minutes
        await egress.take("example.org")
    assert clock.now_s == 1000.0
    for _ in range(10):
        await egress.take("example.org")
    assert clock.now_s == pytest.approx(1100.0)


async def test_the_budget_never_exceeds_the_burst(clock: Clock) -> None:
    egress = Egress(360, clock)
    clock.now_s += 7 * 86400
    begun_s = clock.now_s
    for _ in range(31):
        await egress.take("example.org")
    assert clock.now_s == pytest.approx(begun_s + 10)


async def test_a_slow_budget_still_lets_one_go(clock: Clock) -> None:
    egress = Egress(1, clock)
    await egress.take("example.org")
    assert clock.now_s == 1000.0
    await egress.take("example.org")
    assert clock.now_s == pytest.approx(4600.0)


async def test_a_pause_of_the_egress_holds_everybody_back(clock: Clock) -> None:
    egress = Egress(100_000, clock)
    egress.pause("egress", "www.youtube.com", 120)
    egress.pause("egress", "www.youtube.com", 60)  # a shorter one does not shorten it
    await egress.take("example.org")
    assert clock.now_s == pytest.approx(1120.0)


async def test_a_pause_of_a_host_defers_that_host_only(clock: Clock) -> None:
    egress = Egress(100_000, clock)
    egress.pause("host", "slow.example", 120)
    await egress.take("example.org")
    assert clock.now_s == 1000.0
    with pytest.raises(DeferError) as caught:
        await egress.take("slow.example")
    assert (caught.value.reason, caught.value.scope, caught.value.after_s) == ("host_paused", "host", 120)
    clock.now_s += 121
    await egress.take("slow.example")


async def test_a_deferred_message_pauses_nobody(clock: Clock) -> None:
    egress = Egress(100_000, clock)
    egress.pause("message", "example.org", 120)
    await egress.take("example.org")
    assert clock.now_s == 1000.0
