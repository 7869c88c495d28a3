"""Which URLs and which network addresses a download may touch.

A URL is judged by its text before anything is fetched; every connection is judged by the address it really
goes to. So a redirect, a name that resolves to another address the second time, and 127.0.0.1 written as
2130706433 all end at the same wall.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import urldefrag, urlsplit

from vta_stream.ports import TerminalError

URL_CHARACTERS_MAX = 2048
PROGRAMS = frozenset({"ffmpeg", "ffprobe", "deno"})
"""What a download may start: to merge, to look at a file, and to run YouTube's JavaScript."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")


def host_of(url: str) -> str:
    """The host of an http(s) URL: lower case, in ASCII, without a final dot. TerminalError `invalid_url`.

    What different parsers may read differently is refused: backslashes, spaces, control characters and user
    names in the host.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise TerminalError("invalid_url", f"The URL has {len(url)} characters; {URL_CHARACTERS_MAX} are allowed.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise TerminalError("invalid_url", f"Not a URL: {url[:200]!r} ({error}).") from error
    if parts.scheme not in ("http", "https"):
        raise TerminalError("invalid_url", f"Only http and https URLs are taken, not {url[:200]!r}.")
    if _FORBIDDEN.search(url) or "@" in parts.netloc or port == 0:
        raise TerminalError("invalid_url", f"The URL has characters or a user name that it may not: {url[:200]!r}.")
    if parts.netloc.startswith("["):
        return host
    try:
        host = host.rstrip(".").encode("idna").decode().lower()
    except UnicodeError as error:
        raise TerminalError("invalid_url", f"Not a host name: {host[:200]!r}.") from error
    if not _HOST.fullmatch(host):
        raise TerminalError("invalid_url", f"Not a host name: {host[:200]!r}.")
    return host


def check_url(url: str, hosts: Sequence[str]) -> str:
    """The URL to fetch: `url` without its fragment, which yt-dlp would read options from.

    TerminalError `invalid_url`, or `not_allowed` if its host is not in `hosts` (`*`: all, `*.example.org`:
    the domain and everything below it).
    """
    host = host_of(url)
    for pattern in (pattern.lower().rstrip(".") for pattern in hosts):
        if pattern in ("*", host) or (pattern.startswith("*.") and f".{host}".endswith(pattern[1:])):
            return urldefrag(url).url
    known = ", ".join(hosts) or "none"
    raise TerminalError(
        "not_allowed",
        f"URLs of {host} are not taken. Allowed: {known}. Add the host to download.url_hosts in the settings.",
    )


def refusal(address: str) -> str | None:
    """Why nothing may be fetched from this IP address, in a few words; None if it is public.

    Addresses that carry another one (IPv4-mapped, 6to4, Teredo, NAT64) are judged by that one as well.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "it is no IP address"
    for inner in (ip, *_inside(ip)):
        for word, applies in (
            ("loopback", inner.is_loopback),
            ("link-local", inner.is_link_local),
            ("multicast", inner.is_multicast),
            ("unspecified", inner.is_unspecified),
            ("private", inner.is_private),
            ("reserved", inner.is_reserved or not inner.is_global),
        ):
            # Only the outer form of a mapped address is allowed to look reserved: its inside decides.
            if applies and not (inner is ip and _inside(ip) and word in ("private", "reserved")):
                return f"it is {word}"
    return None


def _inside(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [address for address in found if address is not None]


class NetworkGuard:
    """Judges every connection and every program that this process starts. For a child process only.

    It stands on Python's audit events, so it sees the address itself, after the name was resolved, and
    whatever library connects; and it cannot be taken off again. `refused` collects what it stopped.
    `proxy` is where connections may go although it is private: behind a proxy it is the proxy that
    resolves names, and that has to refuse private networks.
    """

    def __init__(self, *, allow_private: bool, proxy: str | None = None) -> None:
        self.refused: list[str] = []
        self._allow_private = allow_private
        self._proxy = _addresses(proxy) if proxy else frozenset[tuple[str, int]]()

    def install(self) -> None:
        """From now on, for as long as this process lives."""
        sys.addaudithook(self._judge)

    def _judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            self._judge_address(arguments[0].family, arguments[1])
        elif event == "subprocess.Popen":
            self._judge_program(str(arguments[0]), [str(argument) for argument in arguments[1]])
        elif event in ("os.system", "os.exec", "os.posix_spawn"):
            self._refuse(f"running {arguments[0]!r}")

    def _judge_address(self, family: int, address: Any) -> None:
        if family not in (socket.AF_INET, socket.AF_INET6):
            return self._refuse(f"a connection to {address!r}, which is no internet address")
        host, port = str(address[0]), int(address[1])
        if self._allow_private or (host, port) in self._proxy:
            return None
        why = refusal(host)
        return self._refuse(f"a connection to {host} ({why})") if why else None

    def _judge_program(self, program: str, arguments: Sequence[str]) -> None:
        name = PurePath(program).name
        if name not in PROGRAMS:
            self._refuse(f"running {name}")
        if name != "deno" and any("://" in argument for argument in arguments):
            self._refuse(f"letting {name} use the network itself")

    def _refuse(self, what: str) -> None:
        self.refused.append(what)
        raise PermissionError(f"refused: {what}")


def _addresses(proxy: str) -> frozenset[tuple[str, int]]:
    parts = urlsplit(proxy)
    if not parts.hostname:
        raise TerminalError("invalid_proxy", "download.proxy has to be a URL such as http://proxy.example.org:3128.")
    port = parts.port or (1080 if parts.scheme.startswith("socks") else 443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TerminalError("invalid_proxy", f"The host of download.proxy cannot be resolved: {error}.") from error
    return frozenset((str(item[4][0]), port) for item in found)
