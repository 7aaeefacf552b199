"""The two ways to the same application: through an event and the bridge, and through a socket and uvicorn."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bridge import Bridge

from .events import Gateway, response_of

__all__ = ["Framework", "Peers", "Site"]


class MakeApp(Protocol):
    def __call__(self, files: Path, journal: list[str]) -> Any: ...


@dataclass(frozen=True)
class Framework:
    """One framework. `has_lifespan`, `has_background`: what it offers an application."""

    name: str
    make_app: MakeApp
    has_lifespan: bool = True
    has_background: bool = False


@dataclass
class Bridged:
    """One application under the bridge, for synchronous calls and for streams, each with its own lifespan."""

    handler: Bridge
    streaming: Bridge
    portal: BlockingPortal
    journal: list[str]

    def answer(self, gateway: Gateway, request: httpx.Request) -> httpx.Response:
        event = gateway.event(request)
        if not gateway.streams:
            return response_of(self.handler(event, None))
        response: httpx.Response = self.portal.call(self._streamed, event)
        return response

    async def _streamed(self, event: dict[str, Any]) -> httpx.Response:
        async with self.streaming.stream(event, None) as response:
            return response_of(response.prelude, b"".join([part async for part in response.body]))


@dataclass
class Served:
    """One application under uvicorn at `url`."""

    url: str
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))

    def answer(self, request: httpx.Request, path: str) -> httpx.Response:
        """Send `request` to another `path`."""
        url = httpx.URL(self.url + path)
        response = self._client.send(
            httpx.Request(request.method, url, headers=request.headers, content=request.content)
        )
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
            self._servers[key] = Served(self._stack.enter_context(_running(app, root_path)))
            self._stack.callback(self._servers[key].close)
        return self._servers[key]

    def close(self) -> None:
        self._stack.close()


@contextmanager
def _running(app: Any, root_path: str) -> Iterator[str]:
    """Run uvicorn on a loopback socket that listens before it starts, so that no test has to wait for it."""
    config = uvicorn.Config(
        app, root_path=root_path, log_config=None, access_log=False, server_header=False, date_header=False
    )
    server = uvicorn.Server(config)
    # asyncio only sends small responses immediately (TCP_NODELAY) if the protocol is named.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)


@dataclass(frozen=True)
class Site:
    """One framework's application with one event source, and the same with a real server."""

    framework: Framework
    gateway: Gateway
    peers: Peers = field(repr=False)

    def url(self, path: str) -> str:
        """Return the client's URL of the application's `path`."""
        return f"https://{self.gateway.host}{self.gateway.stage}{path}"

    def ask_bridge(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.peers.bridged(self.framework).answer(self.gateway, self.gateway.request(method, path, **options))

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the response through the bridge, after a check that uvicorn's is the same."""
        request = self.gateway.request(method, path, **options)
        bridged = self.peers.bridged(self.framework).answer(self.gateway, request)
        # The server puts the stage before the path itself, as it does after a proxy that removed it.
        served = self.peers.served(self.framework, self.gateway.stage).answer(request, path)
        assert self._comparable(bridged) == self._comparable(served)
        return bridged

    def _comparable(self, response: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return status, headers (without those of one connection or moment), and the body without content-encoding.

        Quart's static files have a date and an expiry of their own, which a second's turn between two answers changes.
        """
        dropped = {"connection", "transfer-encoding", "date", "expires"}
        dropped |= {"content-length"} if self.gateway.streams else set()
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in dropped]
        if self.gateway.joins_headers:
            cookies = [pair for pair in headers if pair[0] == "set-cookie"]
            headers = [(name, response.headers[name]) for name in dict(headers) if name != "set-cookie"] + cookies
        return response.status_code, sorted(headers), response.content
