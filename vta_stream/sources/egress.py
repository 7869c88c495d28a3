"""Politeness: everything that leaves through this machine's address shares one budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from vta_stream.ports import DeferError

BURST_S = 300.0
"""Downloads of so many seconds may be made at once after a rest."""
HOST_WAIT_MAX_S = 5.0


class Egress:
    """A token bucket for the downloads of this process, and the pauses that sites have asked for.

    `per_hour` downloads an hour on average; after a rest as many at once as are due in five minutes.
    A pause of the egress makes everybody wait where they are: that is backpressure. A pause of one host
    must not hold the others up, so downloads from it are deferred.
    """

    def __init__(self, per_hour: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_hour / 3600
        self._clock = clock
        self._burst = max(1.0, self._rate * BURST_S)
        self._tokens = self._burst
        self._filled_at = clock()
        self._paused_until = 0.0
        self._hosts: dict[str, float] = {}
        self._turn = asyncio.Lock()

    async def take(self, host: str) -> None:
        """Return when a download from `host` may start. DeferError `host_paused` if the host asked for rest."""
        left = self._hosts.get(host, 0.0) - self._clock()
        if left > HOST_WAIT_MAX_S:
            raise DeferError("host_paused", f"{host} asked not to be bothered for {left:.0f} s more.", left, "host")
        await asyncio.sleep(max(0.0, left))
        async with self._turn:
            while (wait := self._wait_s()) > 0:  # noqa: ASYNC110 (a pause may grow while it is waited for)
                await asyncio.sleep(min(wait, 60.0))
            self._tokens -= 1

    def pause(self, scope: str, host: str, seconds: float) -> None:
        """Hold back for `seconds` everything (scope `egress`) or one host (scope `host`)."""
        until = self._clock() + seconds
        if scope == "egress":
            self._paused_until = max(self._paused_until, until)
        elif scope == "host":
            now = self._clock()
            self._hosts = {name: end for name, end in self._hosts.items() if end > now}
            self._hosts[host] = max(self._hosts.get(host, 0.0), until)

    def _wait_s(self) -> float:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        # The hundred-millionth: a sum of rounded numbers must not wait for a token that is there.
        return max(self._paused_until - now, (1 - self._tokens) / self._rate if self._tokens < 1 - 1e-8 else 0.0)
