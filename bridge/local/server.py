"""The web server of a gateway: one socket for each source, and the admin endpoints on the first one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.local.front_app import FrontApp
from bridge.local.gateway import Gateway
from bridge.local.header_names import SentNames
from bridge.local.invoke_api import invoke_routes
from bridge.local.loopback import LoopbackOnly
from bridge.local.settings import AnySource, SourceSettings
from bridge.local.websocket.application import WebSocketApp

__all__ = ["INSPECTOR", "GatewayApp", "make_server", "open_sockets"]

# Where the inspector is, on the first port.
INSPECTOR = "/_bridge"

# Of the invoke API, which no application has.
_INVOKE_API = ("/2015-03-31/functions/", "/2021-11-15/functions/")

# In seconds: how long requests that are not answered delay the end. A page that listens never ends by itself.
_SHUTDOWN_LIMIT = 2


class GatewayApp:
    """The ASGI application of all ports. `ports`: those of the gateway's sources, in order.

    `inspector`: the routes of the inspector, with its prefix. On the first port the invoke API and the inspector
    come before the source, for programs and pages of this machine alone.
    """

    def __init__(
        self,
        gateway: Gateway,
        ports: Sequence[int],
        *,
        inspector: Sequence[BaseRoute] = (),
        lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self._main = ports[0]
        apps = (_app_of(source, gateway) for source in gateway.sources)
        self._sources: dict[int, ASGIApp] = dict(zip(ports, apps, strict=True))
        routes = [*invoke_routes(gateway.function.name, gateway.submit), *inspector]
        self._starlette = Starlette(routes=routes, lifespan=lifespan)
        self._admin = LoopbackOnly(self._starlette)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._starlette(scope, receive, send)
            return
        port = scope["server"][1]
        if port == self._main and _is_admin(scope["path"]):
            with suppress(ClientDisconnect):  # it left before its request was whole
                await self._admin(scope, receive, send)
        else:
            await self._sources[port](scope, receive, send)


def _app_of(source: AnySource, gateway: Gateway) -> ASGIApp:
    if isinstance(source, SourceSettings):
        return FrontApp(gateway.fronts[source.name])
    assert gateway.websocket is not None
    return WebSocketApp(gateway.websocket)


def _is_admin(path: str) -> bool:
    return path == INSPECTOR or path.startswith((INSPECTOR + "/", *_INVOKE_API))


def open_sockets(host: str, ports: Sequence[int]) -> list[socket.socket]:
    """Listen on each port; 0 is any free one. Raises OSError, with nothing left open."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(_open_socket(host, port)) for port in ports]
        opened.pop_all()
    return sockets


def _open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens. asyncio turns Nagle's algorithm off only where the protocol is named: 40 ms."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as opened:
        found = opened.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, port))
            found.listen(2048)
        except OSError as exc:
            raise OSError(exc.errno, f"port {port}: {exc.strerror}") from exc
        opened.pop_all()
    return found


class _Server(uvicorn.Server):
    """`ends`: called before the server closes its connections."""

    def __init__(self, config: uvicorn.Config, ends: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._ends = ends

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._ends()
        await super().shutdown(sockets)


def make_server(app: GatewayApp, gateway: Gateway) -> uvicorn.Server:
    """Return a server for `app`: `await server.serve(sockets)`."""
    websocket = gateway.websocket
    config = uvicorn.Config(
        app,
        http=SentNames,
        ws="none" if websocket is None else _websocket_protocol(),
        ws_per_message_deflate=False,  # API Gateway agrees on no extension
        ws_ping_interval=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        date_header=False,  # what the services have is theirs
        proxy_headers=False,
        timeout_graceful_shutdown=_SHUTDOWN_LIMIT,
    )
    return uvicorn.Server(config) if websocket is None else _Server(config, websocket.go_away)


def _websocket_protocol() -> type[asyncio.Protocol]:
    from bridge.local.websocket.protocol import WebSocketProtocol  # it needs wsproto, which nothing else does

    return WebSocketProtocol
