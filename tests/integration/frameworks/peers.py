"""The two ways to the same application: through an event and bridge, and through a socket and uvicorn."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bridge import Bridge
from tests.integration.servers import HOST, BackgroundServer

from .gateways import Gateway

__all__ = ["Framework", "Peers", "Site"]


class MakeApp(Protocol):
    def __call__(self, files: Path, journal: list[str]) -> Any: ...


@dataclass(frozen=True)
class Framework:
    """One framework. `has_lifespan`: whether it has hooks for startup and shutdown."""

    name: str
    make_app: MakeApp
    has_lifespan: bool = True


@dataclass
class Bridged:
    """One application under bridge, for synchronous calls and for streams, each with its own lifespan."""

    handler: Bridge
    streaming: Bridge
    portal: BlockingPortal
    journal: list[str]

    def answer(self, gateway: Gateway, request: httpx.Request) -> httpx.Response:
        event = gateway.event(request)
        if not gateway.streams:
            return gateway.response(self.handler(event, None), request)
        prelude, body = self.portal.call(self._streamed, event)
        return gateway.response(prelude, request, body)

    async def _streamed(self, event: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        async with self.streaming.stream(event, None) as response:
            return response.prelude, b"".join([part async for part in response.body])


@dataclass
class Served:
    """One application under uvicorn at `url`."""

    url: str
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))

    def answer(self, request: httpx.Request, path: str, headers: httpx.Headers) -> httpx.Response:
        """Send `request` to another `path` with other `headers`."""
        url = httpx.URL(self.url + path)
        response = self._client.send(httpx.Request(request.method, url, headers=headers, content=request.content))
        if response.is_server_error:
            # uvicorn closes the connection on which the application raised, but not immediately.
            self._client.close()
            self._client = httpx.Client(trust_env=False)
        return response

    def close(self) -> None:
        self._client.close()


@dataclass
class Peers:
    """Every application and server that the tests asked for so far, kept until the end of the session."""

    files: Path
    _stack: ExitStack = field(default_factory=ExitStack)
    _bridged: dict[str, Bridged] = field(default_factory=dict)
    _servers: dict[tuple[str, str], Served] = field(default_factory=dict)

    def bridged(self, framework: Framework) -> Bridged:
        if framework.name not in self._bridged:
            journal: list[str] = []
            handler = Bridge(framework.make_app(files=self.files, journal=journal))
            self._stack.callback(handler.close)
            streaming = Bridge(framework.make_app(files=self.files, journal=[]))
            portal = self._stack.enter_context(start_blocking_portal())
            self._stack.enter_context(portal.wrap_async_context_manager(streaming))
            self._bridged[framework.name] = Bridged(handler, streaming, portal, journal)
        return self._bridged[framework.name]

    def served(self, framework: Framework, root_path: str) -> Served:
        """Return the framework's application under uvicorn, which knows that it is mounted at `root_path`."""
        key = framework.name, root_path
        if key not in self._servers:
            app = framework.make_app(files=self.files, journal=[])
            server = BackgroundServer(app, root_path=root_path, proxy_headers=True, lifespan="auto")
            self._servers[key] = Served(f"http://{HOST}:{self._stack.enter_context(server).port}")
            self._stack.callback(self._servers[key].close)
        return self._servers[key]

    def close(self) -> None:
        self._stack.close()


@dataclass(frozen=True)
class Site:
    """One framework's application with one event source, and the same with a real server."""

    framework: Framework
    gateway: Gateway
    peers: Peers = field(repr=False)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the response through bridge, after a check that uvicorn's is the same."""
        request = self.gateway.request(method, path, **options)
        bridged = self.peers.bridged(self.framework).answer(self.gateway, request)
        # The server puts the stage before the path itself, as it does after a proxy that removed it.
        server = self.peers.served(self.framework, self.gateway.service.stage)
        served = server.answer(request, path, self.gateway.forwarded(request))
        assert _comparable(bridged, served) == _comparable(served, served)
        return bridged


# Headers of one connection or moment: Quart's static files have a date and an expiry of their own.
_DROPPED = {"connection", "transfer-encoding", "date", "x-amzn-remapped-date", "expires"}

# Headers that AWS adds to a response that lacks them.
_ADDED = {"content-length", "content-type"}


def _comparable(response: httpx.Response, served: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers with repeats joined, and the body without its content-encoding.

    Left out: what does not compare, and what AWS adds to the response that was `served`.
    """
    names = response.headers.keys() - _DROPPED - (_ADDED - served.headers.keys())
    headers = [(name, response.headers[name]) for name in names if name != "set-cookie"]
    headers += [("set-cookie", cookie) for cookie in response.headers.get_list("set-cookie")]
    return response.status_code, sorted(headers), response.content
