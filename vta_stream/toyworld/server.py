"""A web server on loopback that can misbehave: for the tests, and for `vta-stream demo`.

with ToyServer(folder) as server:
    server.url("talk.mp4")                         # whole, or in ranges
    server.url("status/429/talk.mp4?retry_after=7")
    server.url("cut/1000/talk.mp4?times=1")        # the connection breaks after 1000 bytes, once
    server.url("stall/1000/talk.mp4")              # says nothing more after 1000 bytes
    server.url("endless/talk.mp4")                 # no Content-Length, and no end
    server.url("page/talk.mp4?subtitles=talk.vtt&language=en")
    server.url("page/talk.mp4?source=status/429/talk.mp4%3Ftimes=1")
    server.url("redirect/?to=http://127.0.0.1/")
"""

from __future__ import annotations

import asyncio
import html
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CHUNK_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that the server got. `path` is what follows the host, without the query."""

    method: str
    path: str
    range: str | None


class ToyServer:
    """Serves the files of `folder` on 127.0.0.1, in a thread of its own. Start it by `with`, or `start`."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self._folder = folder
        self._port = port
        self._left: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="toy-server", daemon=True)
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._failure: OSError | None = None

    def start(self) -> ToyServer:
        """Return when it listens. OSError if the port is taken."""
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure
        return self

    def stop(self) -> None:
        """Break all connections and free the port."""
        if self._stop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> ToyServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The URL of a path; see the module's text for what there is."""
        return f"http://{host}:{self._port}/{path}"

    def count(self, path: str) -> int:
        """How many requests for a path (without query) came."""
        return sum(seen.path == f"/{path}" for seen in self.seen)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        application = web.Application(middlewares=[self._record])
        application.add_routes(
            [
                web.get("/status/{status}/{name:.*}", self._status),
                web.get("/cut/{after}/{name:.*}", self._cut),
                web.get("/stall/{after}/{name:.*}", self._stall),
                web.get("/endless/{name:.*}", self._endless),
                web.get("/page/{name:.*}", self._page),
                web.get("/redirect/", self._redirect),
                web.get("/{name:.*}", self._file),
            ]
        )
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            await site.start()
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
        except OSError as error:
            self._failure = error
        finally:
            await runner.cleanup()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.path, request.headers.get("Range")))
        try:
            return await handler(request)
        except ConnectionError as error:  # who asked has gone, which is what some tests are about
            raise asyncio.CancelledError from error

    def _path(self, request: web.Request) -> Path:
        path = (self._folder / request.match_info["name"]).resolve()
        if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
            raise web.HTTPNotFound
        return path

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._path(request))

    async def _status(self, request: web.Request) -> web.StreamResponse:
        """`times` answers with this status, then the file; without `times` always the status."""
        if self._spent(request):
            return await self._file(request)
        headers = {"Retry-After": request.query["retry_after"]} if "retry_after" in request.query else {}
        return web.Response(status=int(request.match_info["status"]), headers=headers, text="as you asked")

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        """Break off after so many bytes of what was asked for; after `times` such answers be honest."""
        if request.method == "HEAD" or self._spent(request):
            return await self._file(request)
        response = await self._begin(request)
        if request.transport:
            request.transport.abort()
        return response

    async def _stall(self, request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD" or self._spent(request):
            return await self._file(request)
        response = await self._begin(request)
        await asyncio.sleep(3600)
        return response

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        content = self._path(request).read_bytes()
        asked = request.http_range
        start = asked.start or 0
        rest = content[start:]
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(rest)
        response.content_type = "video/mp4"
        response.headers["Accept-Ranges"] = "bytes"
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        await response.prepare(request)
        await response.write(rest[: int(request.match_info["after"])])
        await asyncio.sleep(0.05)  # so that the bytes are on their way before the connection breaks
        return response

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "video/mp4"
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(self._path(request).read_bytes())
        while request.method == "GET":
            await response.write(bytes(_CHUNK_BYTES))
        return response

    async def _page(self, request: web.Request) -> web.StreamResponse:
        """A web page with a video element.

        `subtitles` (repeatable) name its tracks, `language` theirs; `source` is a path here, where it is not the name.
        """
        language = html.escape(request.query.get("language", "en"))
        tracks = "".join(
            f'<track kind="subtitles" src="/{quote(name)}" srclang="{language}">'
            for name in request.query.getall("subtitles", [])
        )
        source = html.escape(request.query.get("source", quote(request.match_info["name"])))
        body = f'<!doctype html><title>A page</title><video><source src="/{source}" type="video/mp4">{tracks}</video>'
        return web.Response(text=body, content_type="text/html")

    async def _redirect(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(request.query["to"])

    def _spent(self, request: web.Request) -> bool:
        """True once the misbehaviour was shown `times` times to GET; without `times` it never ends."""
        if "times" not in request.query:
            return False
        left = self._left.setdefault(request.path_qs, int(request.query["times"]))
        if left and request.method == "GET":
            self._left[request.path_qs] = left - 1
        return left == 0
