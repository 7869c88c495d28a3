from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from vta_stream.settings.delivery import MetricsSettings
from vta_stream.stream import health
from vta_stream.stream.health import HealthServer
from vta_stream.stream.slots import WorkerError


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_it_says_what_is_wrong_and_where_it_is(tmp_path: Path) -> None:
    wrong: list[str] = []
    server = HealthServer(MetricsSettings(port=0), lambda: wrong[0] if wrong else None, lambda: "loading")
    await server.start()
    server.announce(tmp_path / "worker-w.json", {"pid": 1})
    try:
        assert json.loads((tmp_path / "worker-w.json").read_text()) == {"pid": 1, "url": server.url}
        assert await get(server.url + "/healthz") == (200, "ok\n")
        assert await get(server.url + "/readyz") == (503, "loading\n")
        wrong.append("score is stuck")
        assert await get(server.url + "/healthz") == (503, "score is stuck\n")
        status, text = await get(server.url + "/metrics")
        assert status == 200
        assert "# TYPE vta_messages_total counter" in text
    finally:
        await server.stop()
    assert not (tmp_path / "worker-w.json").exists()


async def test_a_taken_port_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    first = HealthServer(MetricsSettings(port=0), lambda: None, lambda: None)
    await first.start()
    port = int(first.url.rpartition(":")[2])
    second = HealthServer(MetricsSettings(port=port), lambda: None, lambda: None)
    try:
        await second.start()
        assert port < int(second.url.rpartition(":")[2]) < port + 100
        monkeypatch.setattr(health, "PORTS_TRIED", 1)
        third = HealthServer(MetricsSettings(port=port), lambda: None, lambda: None)
        with pytest.raises(WorkerError, match=r"set metrics\.port"):
            await third.start()
    finally:
        await second.stop()
        await first.stop()


async def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(WorkerError, match=r"192\.0\.2\.1"):
        await HealthServer(MetricsSettings(host="192.0.2.1", port=0), lambda: None, lambda: None).start()
