"""The web server of a gateway: one socket for each source, and the admin endpoints on the first one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.local.front_app import FrontApp, Kept
from bridge.local.gateway import Gateway
from bridge.local.header_names import SentNames
from bridge.local.invoke_api import invoke_routes
from bridge.local.loopback import LoopbackOnly
from bridge.local.settings import AnySource, SourceSettings
from bridge.local.tasks import is_set_within
from bridge.local.websocket.application import WebSocketApp

__all__ = ["INSPECTOR", "OPEN_LIMIT", "GatewayApp", "WebServer", "open_sockets"]

# Where the inspector is, on the first port.
INSPECTOR = "/_bridge"

# Of the invoke API, which no application has.
_INVOKE_API = ("/2015-03-31/functions/", "/2021-11-15/functions/")

# In seconds, after Ctrl+C: when open requests are worth a line, how long they may go on in all, and how long their
# clients have to read the end that they then get.
_NOTICE, OPEN_LIMIT, _LAST_MOMENT = 0.5, 2.0, 1.0


class GatewayApp:
    """The ASGI application of all ports. `ports`: those of the gateway's sources, in order.

    `inspector`: the routes of the inspector, with its prefix. On the first port the invoke API and the inspector
    come before the source, for programs and pages of this machine alone. `kept`: see FrontApp.
    """

    def __init__(
        self,
        gateway: Gateway,
        ports: Sequence[int],
        *,
        inspector: Sequence[BaseRoute] = (),
        kept: Kept = lambda source, request, response: None,
    ) -> None:
        self._main = ports[0]
        apps = (_app_of(source, gateway, kept) for source in gateway.sources)
        self._sources: dict[int, ASGIApp] = dict(zip(ports, apps, strict=True))
        routes = [*invoke_routes(gateway.function.name, gateway.submit), *inspector]
        self._admin = LoopbackOnly(Starlette(routes=routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        port = scope["server"][1]
        if port == self._main and _is_admin(scope["path"]):
            with suppress(ClientDisconnect):  # it left before its request was whole
                await self._admin(scope, receive, send)
        else:
            await self._sources[port](scope, receive, send)


def _app_of(source: AnySource, gateway: Gateway, kept: Kept) -> ASGIApp:
    if isinstance(source, SourceSettings):
        return FrontApp(gateway.fronts[source.name], kept)
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


class WebServer(uvicorn.Server):
    """A web server whose open requests get an end: uvicorn would cancel them, and print a traceback for each.

    `waits`: called if the end has to wait for open requests.
    """

    def __init__(self, app: GatewayApp, gateway: Gateway, *, waits: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=SentNames,
                ws="none" if gateway.websocket is None else _websocket_protocol(),
                ws_per_message_deflate=False,  # API Gateway agrees on no extension
                ws_ping_interval=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,  # what the services have is theirs
                proxy_headers=False,
            )
        )
        self._gateway, self._waits = gateway, waits

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the server: soon if no request is open, and after a second Ctrl+C."""
        self._gateway.history.wake()  # pages that listen end then
        if self._gateway.websocket is not None:
            await self._gateway.websocket.go_away()
        is_over = asyncio.Event()
        ending = asyncio.create_task(self._end(is_over), name="bridge end")
        await super().shutdown(sockets)  # which waits for the end of all connections
        is_over.set()
        await ending

    async def _end(self, is_over: asyncio.Event) -> None:
        if not await is_set_within(is_over, _NOTICE):
            self._waits()
            await is_set_within(is_over, OPEN_LIMIT - _NOTICE)
        await self._gateway.close()
        await is_set_within(is_over, 0 if self.force_exit else _LAST_MOMENT)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # of a client that does not send or read on
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_MOMENT)


def _websocket_protocol() -> type[asyncio.Protocol]:
    from bridge.local.websocket.protocol import WebSocketProtocol  # it needs wsproto, which nothing else does

    return WebSocketProtocol
