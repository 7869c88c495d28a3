"""What a URL and an address have to look like, and that the guard stops what it should."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import AsyncIterator

import pytest

from vta_stream.children import ChildPool
from vta_stream.ports import TerminalError
from vta_stream.sources.addresses import NetworkGuard, check_url, host_of, refusal


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_fine(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.3.4", "private"),
        ("192.168.1.1", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("100.64.0.1", "reserved"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "private"),
        ("240.0.0.1", "private"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a00:1::", "private"),
        ("videos.example.org", "no IP address"),
    ],
)
def test_other_addresses_are_refused(address: str, why: str) -> None:
    found = refusal(address)
    assert found is not None
    assert why in found


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.ORG./a.mp4", "example.org"),
        ("http://bücher.example/ä.mp4", "xn--bcher-kva.example"),
        ("http://[2001:db8::1]:8080/", "2001:db8::1"),
        ("http://2130706433/", "2130706433"),
    ],
)
def test_hosts_are_read_in_one_way(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a.mp4",
        "gopher://example.org/",
        "data:video/mp4;base64,AAAA",
        "//example.org/a.mp4",
        "example.org/a.mp4",
        "--exec=touch x",
        "-abc",
        "http:///a.mp4",
        "http://example.org@127.0.0.1/a.mp4",
        "http://user:word@example.org/a.mp4",
        "http://example.org\\@127.0.0.1/a.mp4",
        "http://example.org/a b.mp4",
        "http://example.org/\r\nHost:x",
        "http://example.org\t.evil/",
        "http://exa mple.org/",
        "http://example..org/",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://[::1/",
        "http://-example.org/",
        "http://example.org/" + "a" * 3000,
        "",
    ],
)
def test_odd_urls_are_invalid(url: str) -> None:
    with pytest.raises(TerminalError) as caught:
        host_of(url)
    assert caught.value.reason == "invalid_url"


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        ("https://example.org/a.mp4", ("example.org",), True),
        ("https://EXAMPLE.org./a.mp4", ("example.org",), True),
        ("https://a.example.org/a.mp4", ("example.org",), False),
        ("https://a.example.org/a.mp4", ("*.example.org",), True),
        ("https://example.org/a.mp4", ("*.example.org",), True),
        ("https://evilexample.org/a.mp4", ("*.example.org",), False),
        ("https://example.org.evil/a.mp4", ("example.org", "*.example.org"), False),
        ("https://example.org/a.mp4", ("*",), True),
        ("https://example.org/a.mp4", (), False),
    ],
)
def test_only_listed_hosts_are_taken(url: str, hosts: tuple[str, ...], allowed: bool) -> None:
    if allowed:
        assert check_url(url, hosts) == url
        return
    with pytest.raises(TerminalError, match=r"download\.url_hosts") as caught:
        check_url(url, hosts)
    assert caught.value.reason == "not_allowed"


def test_options_in_the_fragment_are_dropped() -> None:
    url = "https://example.org/a.mp4"
    assert check_url(f"{url}#__youtubedl_smuggle=%7B%22force_videoid%22%3A1%7D", ("*",)) == url


# What the children do, under the guard.
def try_it(what: str, allow_private: bool) -> tuple[str, list[str]]:
    guard = NetworkGuard(allow_private=allow_private)
    guard.install()
    try:
        match what:
            case "connect":
                socket.create_connection(("127.0.0.1", 9), timeout=5)
            case "connect by number":
                socket.create_connection(("2130706433", 9), timeout=5)
            case "connect_ex":
                socket.socket().connect_ex(("localhost", 9))
            case "datagram":
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
            case "unix":
                socket.socket(socket.AF_UNIX).connect("/nowhere")
            case "shell":
                os.system("true")
            case "other program":
                subprocess.run(["curl", "--version"], check=False)
            case "network by ffmpeg":
                subprocess.run(["ffmpeg", "-i", "http://127.0.0.1/a.mp4"], check=False)
            case "ffprobe":
                subprocess.run(["ffprobe", "-version"], check=True, capture_output=True)
    except OSError as error:
        return type(error).__name__, guard.refused
    return "", guard.refused


@pytest.fixture
async def children() -> AsyncIterator[ChildPool]:
    pool = ChildPool("guarded", 1, tasks_max=1)
    yield pool
    await pool.close()


@pytest.mark.parametrize(
    "what",
    ["connect", "connect by number", "connect_ex", "datagram", "unix", "shell", "other program", "network by ffmpeg"],
)
async def test_the_guard_stops(children: ChildPool, what: str) -> None:
    error, refused = await children.run(try_it, what, False, deadline_s=60)
    assert error == "PermissionError"
    assert len(refused) == 1


async def test_the_guard_lets_ffprobe_run(children: ChildPool) -> None:
    assert await children.run(try_it, "ffprobe", False, deadline_s=60) == ("", [])


async def test_private_networks_can_be_allowed(children: ChildPool) -> None:
    error, refused = await children.run(try_it, "connect", True, deadline_s=60)
    assert (error, refused) == ("ConnectionRefusedError", [])
