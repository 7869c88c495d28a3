"""Politeness: everything that leaves through this machine's address shares one budget and one circuit breaker."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from vta_stream.ports import DeferError
from vta_stream.sources.egress_book import Book, Page

_log = logging.getLogger(__name__)

BURST_S = 300.0
"""Downloads of so many seconds may be made at once after a rest."""
HOST_WAIT_MAX_S = 5.0
PROBE_S = 60.0
"""A site that refuses does it at once. So after this long without an answer, the next one may try."""
REST_MAX_S = 6 * 3600.0
"""Each rest is twice as long as the one before, up to this."""
_LOOK_AGAIN_S = 60.0


def egress_file(state_dir: Path, machine: str, proxy: str | None) -> Path:
    """Where the workers of a machine meet that go out by the same way: by its own address, or by one proxy."""
    by_proxy = f"-proxy-{hashlib.sha256(proxy.encode()).hexdigest()[:8]}" if proxy else ""
    return state_dir / "egress" / f"{machine}{by_proxy}.json"


class Egress:
    """A token bucket and a circuit breaker for one address, shared by all processes that name the same file.

    `per_hour` downloads an hour on average; after a rest as many at once as are due in five minutes.
    A rest of the egress makes everybody wait where they are: that is backpressure. After it one download tries, and
    the others wait for it to work, or for a minute; if it is refused too, the next rest is twice as long. A rest of one
    host must not hold the others up, so downloads from it are deferred.
    """

    def __init__(self, per_hour: float, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._rate = per_hour / 3600
        self._burst = max(1.0, self._rate * BURST_S)
        self._book, self._clock = Book(file), clock
        self._turn = asyncio.Lock()

    async def take(self, host: str) -> None:
        """Return when a download from `host` may start. DeferError `host_paused` if the host asked for rest."""
        await asyncio.sleep(await asyncio.to_thread(self._host_wait_s, host))
        async with self._turn:
            while (wait_s := await asyncio.to_thread(self._take)) > 0:  # noqa: ASYNC110 (others change it)
                await asyncio.sleep(min(wait_s, _LOOK_AGAIN_S))

    async def pause(self, scope: str, host: str, seconds: float) -> None:
        """Rest for `seconds` at least: everything (scope `egress`) or one host (scope `host`)."""
        if scope in ("egress", "host"):
            await asyncio.to_thread(self._pause, scope, host, seconds)

    async def worked(self) -> None:
        """A download came through: nobody has to be careful any more."""
        await asyncio.to_thread(self._close)

    def _host_wait_s(self, host: str) -> float:
        with self._book.open(self._clock) as (page, now_s):
            left_s = page.hosts_rest_until_s.get(host, 0.0) - now_s
        if left_s > HOST_WAIT_MAX_S:
            raise DeferError("host_paused", f"{host} asked not to be bothered for {left_s:.0f} s more.", left_s, "host")
        return max(0.0, left_s)

    def _take(self) -> float:
        """Seconds to wait before asking again; 0: taken."""
        with self._book.open(self._clock) as (page, now_s):
            tokens = self._tokens(page, now_s)
            page.tokens, page.filled_at_s = tokens, now_s
            wait_s = page.rests_until_s - now_s
            if page.refusals:
                wait_s = max(wait_s, min(1.0, page.probe_until_s - now_s))  # the probe may end well before its time
            # The hundred-millionth: a sum of rounded numbers must not wait for a token that is there.
            if tokens < 1 - 1e-8:
                wait_s = max(wait_s, (1 - tokens) / self._rate)
            if wait_s <= 0:
                page.tokens = tokens - 1
                page.probe_until_s = now_s + PROBE_S
        return max(0.0, wait_s)

    def _tokens(self, page: Page, now_s: float) -> float:
        if page.tokens is None:
            return self._burst
        return min(self._burst, page.tokens + max(0.0, now_s - page.filled_at_s) * self._rate)

    def _pause(self, scope: str, asking: str, seconds: float) -> None:
        with self._book.open(self._clock) as (page, now_s):
            if scope == "host":
                rests = {name: end for name, end in page.hosts_rest_until_s.items() if end > now_s}
                page.hosts_rest_until_s = rests | {asking: max(rests.get(asking, 0.0), now_s + seconds)}
                return
            # Refusals of downloads that had begun before the rest are the same refusal.
            if page.rests_until_s <= now_s:
                page.refusals += 1
            seconds = max(seconds, min(REST_MAX_S, seconds * 2 ** (page.refusals - 1)))
            if now_s + seconds > page.rests_until_s:
                page.rests_until_s = now_s + seconds
                _log.warning("%s asks for rest: no download of this machine starts for %.0f s", asking, seconds)

    def _close(self) -> None:
        with self._book.open(self._clock) as (page, now_s):
            # One that had begun before the rest says nothing about what comes after it.
            if page.rests_until_s <= now_s:
                page.refusals = 0
