"""The web server that misbehaves, asked by a plain client."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from vta_stream.toyworld.server import ToyServer

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ToyServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/a.bin").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("secret")
    with ToyServer(tmp_path / "served") as server:
        yield server


def get(url: str, **headers: str) -> http.client.HTTPResponse:
    response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10)
    assert isinstance(response, http.client.HTTPResponse)
    return response


def test_a_file_whole_and_in_part(server: ToyServer) -> None:
    with get(server.url("a.bin")) as response:
        assert (response.status, response.read()) == (200, CONTENT)
    with get(server.url("a.bin"), Range="bytes=1000-1999") as response:
        assert (response.status, response.read()) == (206, CONTENT[1000:2000])
    assert server.count("a.bin") == 2
    assert [seen.range for seen in server.seen] == [None, "bytes=1000-1999"]


def test_nothing_outside_the_folder(server: ToyServer) -> None:
    for path in ("../secret", "%2e%2e/secret", "/etc/passwd", "nothing"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(server.url(path))


def test_statuses(server: ToyServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(server.url("status/429/a.bin?retry_after=7"))
    assert (caught.value.code, caught.value.headers["Retry-After"]) == (429, "7")
    url = server.url("status/503/a.bin?times=1")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get(url)
    with get(url) as response:
        assert response.read() == CONTENT


def test_a_connection_that_breaks(server: ToyServer) -> None:
    url = server.url("cut/1000/a.bin?times=1")
    with get(url) as response:
        assert int(response.headers["Content-Length"]) == len(CONTENT)
        with pytest.raises((ConnectionError, http.client.IncompleteRead)):
            response.read()
    with get(url, Range="bytes=1000-") as response:
        assert response.read() == CONTENT[1000:]


def test_a_connection_that_stalls(server: ToyServer) -> None:
    with get(server.url("stall/1000/a.bin")) as response:
        assert response.read(1000) == CONTENT[:1000]
        assert response.fp is not None
        response.fp.raw._sock.settimeout(0.2)  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            response.read(1)


def test_an_answer_without_end(server: ToyServer) -> None:
    with get(server.url("endless/a.bin")) as response:
        assert response.headers["Content-Length"] is None
        assert len(response.read(1_000_000)) == 1_000_000


def test_a_redirect(server: ToyServer) -> None:
    with get(server.url(f"redirect/?to={server.url('a.bin')}")) as response:
        assert response.read() == CONTENT


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ToyServer(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"):
            server.start()
