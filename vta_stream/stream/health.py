"""The HTTP endpoint of a worker: /metrics, /healthz and /readyz."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from vta_stream.metrics import REGISTRY
from vta_stream.settings.delivery import MetricsSettings
from vta_stream.stream.slots import WorkerError

log = logging.getLogger(__name__)

PORTS_TRIED = 100


class HealthServer:
    """`healthy` and `ready` answer with what is wrong, or None if all is well. Served on the worker's loop:

    a loop that is blocked does not answer, which is the answer.
    """

    def __init__(self, settings: MetricsSettings, healthy: Callable[[], str | None], ready: Callable[[], str | None]):
        self._settings = settings
        self._checks = {"/healthz": healthy, "/readyz": ready}
        self._runner: web.AppRunner | None = None
        self._address_file: Path | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen on the port of the settings, or the next free one. Raises WorkerError if none can be had."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        for path in self._checks:
            app.router.add_get(path, self._check)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        host, first = self._settings.host, self._settings.port
        for port in range(first, min(first + PORTS_TRIED, 65_536)) if first else (0,):
            try:
                await web.TCPSite(self._runner, host, port).start()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                await self._runner.cleanup()
                raise WorkerError(f"metrics.host {host}, port {port}: {error.strerror}") from error
            address = self._runner.addresses[0]
            shown = f"[{address[0]}]" if ":" in address[0] else address[0]
            self.url = f"http://{shown}:{address[1]}"
            if first and address[1] != first:
                log.warning("port %d is taken; metrics and health are at %s", first, self.url)
            else:
                log.info("metrics and health are at %s", self.url)
            return
        await self._runner.cleanup()
        raise WorkerError(f"the ports {first} to {first + PORTS_TRIED - 1} of {host} are all taken; set metrics.port")

    def announce(self, path: Path, facts: dict[str, Any]) -> None:
        """Write `facts` and the address to a file where other commands find them; removed by `stop`."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({**facts, "url": self.url}, indent=1), encoding="utf-8")
        fresh.replace(path)
        self._address_file = path

    async def stop(self) -> None:
        """Close. Safe to call twice, and without a start."""
        if self._address_file is not None:
            self._address_file.unlink(missing_ok=True)
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _check(self, request: web.Request) -> web.Response:
        wrong = self._checks[request.path]()
        return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)
